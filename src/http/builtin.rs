//! The routes the server brings itself: how the daemon is, what it counts, what changes, what there is to call.

use crate::http::events;
use crate::http::failure::{ErrorStatus, Failure};
use crate::http::health::State;
use crate::http::reply::Reply;
use crate::http::route::{Access, BODY_LIMIT, Doc, Handler, Route, handler};
use crate::http::server::Services;
use crate::http::settings::Settings;
use crate::http::table::Family;
use crate::metrics;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use serde_json::json;
use std::sync::{Arc, OnceLock};

/// For browsers that open the root.
const PAGE: &str = include_str!("index.html");

/// The routes. `description` is what `/openapi.json` shows once it is set.
pub fn routes(services: &Services, settings: &Settings, description: Arc<OnceLock<Bytes>>) -> Vec<Route> {
    let health = services.health.clone();
    let ready = handler(move |_| std::future::ready(readiness(health.state())));
    let counters = services.metrics.clone();
    let counters = handler(move |_| {
        let text = counters.text();
        std::future::ready(Ok(Reply::bytes(metrics::CONTENT_TYPE, text)))
    });
    let (bus, pause) = (services.bus.clone(), settings.keep_alive);
    let changes = handler(move |cx| std::future::ready(events::stream(&bus, &cx, pause)));
    let described = handler(move |_| {
        let text = description.get().cloned().unwrap_or_default();
        std::future::ready(Ok(Reply::bytes("application/json", text)))
    });
    vec![
        get(
            "/",
            Access::Public,
            page(),
            Doc {
                summary: "The page for browsers (Accept: text/html)",
                answers: &[(200, "a page that names the API")],
                ..Doc::default()
            },
        ),
        get(
            "/healthz",
            Access::Public,
            handler(|_| std::future::ready(Ok(alive()))),
            Doc {
                summary: "Whether the daemon is alive and its store can be used",
                answers: &[(200, "{\"status\":\"ok\"}"), (503, "degraded, with the cause")],
                ..Doc::default()
            },
        ),
        get(
            "/readyz",
            Access::Public,
            ready,
            Doc {
                summary: "Whether the daemon takes work",
                answers: &[(200, "{\"status\":\"ready\"}"), (503, "starting, stopping, or degraded with the cause")],
                ..Doc::default()
            },
        ),
        get(
            "/metrics",
            Access::Caller,
            counters,
            Doc { summary: "Counters for Prometheus", answers: &[(200, "OpenMetrics text")], ..Doc::default() },
        ),
        get(
            "/openapi.json",
            Access::Public,
            described,
            Doc { summary: "This description of every route", answers: &[(200, "OpenAPI 3.1")], ..Doc::default() },
        ),
        get(
            "/events",
            Access::Caller,
            changes,
            Doc {
                summary: "Everything that changes and that the caller may see, as server-sent events",
                query: &[
                    ("kind", "only these kinds, or kinds that begin so (proc.run); several by commas or repetition"),
                    ("name", "only what happens to this name; may be repeated"),
                    ("after", "go on after the event with this number, as the header Last-Event-ID does"),
                ],
                answers: &[(200, "a stream of events with numbers; the event missed says that older ones are gone")],
                ..Doc::default()
            },
        ),
    ]
}

fn get(path: &'static str, access: Access, handler: Handler, doc: Doc) -> Route {
    let (method, family) = (Method::GET, Family::Own);
    let (doorman, changes, audited, body_limit) = (None, false, false, BODY_LIMIT);
    Route { method, path, family, access, doorman, changes, audited, body_limit, doc, handler }
}

/// A degraded daemon never gets here: its routes are refused with the cause before.
fn alive() -> Reply {
    Reply::json(&json!({ "status": "ok" }))
}

fn readiness(state: State) -> Result<Reply, Failure> {
    let not = |code, message: &str| Err(Failure::public(ErrorStatus::UNAVAILABLE, code, message));
    match state {
        State::Ready => Ok(Reply::json(&json!({ "status": "ready" }))),
        State::Starting => not("starting", "the daemon is starting"),
        State::Stopping => not("stopping", "the daemon is stopping"),
        State::Degraded { cause } => not("degraded", &cause),
    }
}

fn page() -> Handler {
    handler(|_| {
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        let reply = Reply::bytes("text/html; charset=utf-8", PAGE).header(CONTENT_SECURITY_POLICY, policy);
        std::future::ready(Ok(reply))
    })
}
