//! The proxy's connections, and what every request goes through first.

use super::headers::{calls_this_machine, is_of_a_browser};
use super::held::Places;
use super::known::KnownIds;
use super::rate::Rate;
use super::refusal::{Fault, No};
use super::trust::Trust;
use super::way::{Way, way};
use super::{Settings, cached, forward};
use crate::auth::audit::{Entry, Outcome};
use crate::auth::{Gate, Peer};
use crate::base::Now;
use crate::cache::engine::Handle;
use crate::http::conn::{self, Outgoing, Wire};
use crate::http::seats::{Seat, Seats};
use crate::http::socket::Socket;
use crate::http::{self, Bound, Content};
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The largest head: the tokens of some registries alone are as large as whole heads elsewhere.
const HEAD_LIMIT: usize = 64 << 10;
/// Connections of one user: builds and pulls open many.
const CONNECTIONS_OF_ONE: usize = 512;
/// How long a client's body may pause.
const BODY_PAUSE: Duration = Duration::from_secs(60);
/// How long accepting pauses when the host has no descriptors or memory left for another connection.
const BREATHER: Duration = Duration::from_millis(100);

/// What every request has in reach.
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) settings: Settings,
    pub(super) limits: http::Settings,
    pub(super) known: KnownIds,
    pub(super) trust: Trust,
    pub(super) places: Arc<Places>,
    /// This host's address, as clients are told.
    pub(super) address: HeaderValue,
    gate: Gate,
    rate: Rate,
    seats: Arc<Seats>,
}

/// Who asks.
pub(super) struct Client<'a> {
    pub(super) peer: &'a Peer,
    /// All rights are his, here and now.
    pub(super) operator: bool,
}

/// A running proxy. Dropping it drains it too, without waiting.
pub struct Proxy {
    shared: Arc<Shared>,
    drain: watch::Sender<bool>,
}

impl Proxy {
    /// Serves on these listeners, on the data thread.
    ///
    /// # Errors
    /// A listener cannot be used, or is not on a loopback address.
    pub fn start(handle: Handle, settings: Settings, gate: Gate, listeners: Vec<Bound>) -> io::Result<Proxy> {
        let runtime = handle.thread().handle()?;
        let limits = http::Settings {
            connections_per_peer: CONNECTIONS_OF_ONE,
            head_limit: HEAD_LIMIT,
            body_pause: BODY_PAUSE,
            ..http::Settings::default()
        };
        let address = HeaderValue::try_from(handle.settings().ip.to_string()).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            rate: Rate::new(settings.rate, Instant::now()),
            seats: Arc::new(Seats::new(limits.connections, limits.connections_per_peer)),
            known: KnownIds::default(),
            trust: Trust::default(),
            places: Arc::default(),
            handle,
            settings,
            limits,
            address,
            gate,
        });
        let _inside = runtime.enter();
        let doors = listeners.into_iter().map(door).collect::<io::Result<Vec<_>>>()?;
        let drain = watch::Sender::new(false);
        for door in doors {
            runtime.spawn(accept(shared.clone(), door, drain.subscribe()));
        }
        Ok(Proxy { shared, drain })
    }

    /// Accepts nothing more, and waits at most so long for the connections to end.
    pub async fn drain(&self, limit: Duration) {
        self.drain.send_replace(true);
        // Either nobody is left or the time is over.
        drop(timeout(limit, self.shared.seats.empty()).await);
    }
}

fn door(bound: Bound) -> io::Result<TcpListener> {
    let Bound::Tcp(listener) = bound else {
        return Err(io::Error::other("the proxy listens on plain TCP only"));
    };
    let address = listener.local_addr()?;
    if !address.ip().to_canonical().is_loopback() {
        return Err(io::Error::other(format!("the proxy listens on loopback addresses only, not on {address}")));
    }
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn accept(shared: Arc<Shared>, door: TcpListener, mut drain: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = conn::drained(&mut drain) => return,
            accepted = door.accept() => accepted,
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(%why, "the proxy could not accept a connection");
                sleep(BREATHER).await;
                continue;
            }
        };
        let Ok(server) = stream.local_addr() else { continue };
        // At once: who has gone again is known to nobody.
        let arrival = shared.gate.arrived_tcp(client, server);
        // Answers are written whole: waiting for more to send only delays them.
        drop(stream.set_nodelay(true));
        let Some(seat) = shared.seats.take() else {
            shared.handle.metrics().connection_refused("limit");
            continue;
        };
        let (shared, drain) = (shared.clone(), drain.clone());
        tokio::spawn(async move {
            let peer = shared.gate.recognise(arrival).await;
            let Some(place) = shared.seats.take_for(&peer) else {
                return shared.handle.metrics().connection_refused("limit");
            };
            shared.handle.metrics().connection_opened();
            converse(&shared, peer, Socket::Tcp(Arc::new(stream)), drain, seat).await;
            shared.handle.metrics().connection_closed();
            drop(place);
        });
    }
}

async fn converse(shared: &Arc<Shared>, peer: Peer, socket: Socket, drain: watch::Receiver<bool>, _seat: Seat) {
    let wire = Wire::new(socket.clone(), drain);
    let (peer, line) = (Arc::new(peer), wire.clone());
    let service = service_fn(move |request| {
        let (shared, peer, wire) = (shared.clone(), peer.clone(), line.clone());
        Box::pin(async move { Ok::<_, Infallible>(answer(&shared, &peer, &wire, request).await) })
    });
    conn::serve(socket, wire, &shared.limits, service).await;
}

/// Answers one request. Never fails: everything has an answer.
async fn answer(shared: &Shared, peer: &Peer, wire: &Wire, request: Request<Incoming>) -> Response<Outgoing> {
    let began = Instant::now();
    wire.busy();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // Written down only at need.
    let what = || format!("proxy {method} {}{}", uri.host().unwrap_or_default(), uri.path());
    let outcome = AssertUnwindSafe(handle(shared, peer, request, began)).catch_unwind().await;
    let response = outcome.unwrap_or_else(|_| {
        tracing::error!("answering {} panicked", what());
        Err(No::new(StatusCode::INTERNAL_SERVER_ERROR, Fault::Daemon, "the proxy failed at this request"))
    });
    let response = response.unwrap_or_else(|no| {
        if no.status == StatusCode::FORBIDDEN && no.fault == Fault::Proxy {
            note(shared, peer, what(), no.status, Some(no.why.clone()));
        }
        no.response()
    });
    shared.handle.metrics().request("proxy", response.status().as_u16(), began.elapsed());
    response.map(|content| Outgoing::finite(content, wire))
}

async fn handle(
    shared: &Shared,
    peer: &Peer,
    request: Request<Incoming>,
    now: Instant,
) -> Result<Response<Content>, No> {
    if !shared.rate.admits(now) {
        return Err(No::new(StatusCode::TOO_MANY_REQUESTS, Fault::Proxy, "rate limit exceeded"));
    }
    let (head, body) = request.into_parts();
    let plain = |host: &str| shared.handle.origins().registry(host).is_some_and(|registry| registry.plain);
    match way(&shared.settings, plain, &head.method, &head.uri, &head.headers)? {
        Way::Forwarded { url } => forward::forward(shared, head.method, &url, &head.headers, Some(body)).await,
        Way::Cached { url, filter, digest } => {
            let operator = is_operator(peer, head.uri.scheme().is_none(), &head.headers);
            let client = Client { peer, operator };
            cached::get(shared, &client, cached::Asked { url, filter, digest, headers: &head.headers }).await
        }
    }
}

/// Whether the connection lends this request an operator's rights. A browser lends its connections to any page, so what
/// may come from one has none; and nor has what somebody else sent on.
fn is_operator(peer: &Peer, to_us: bool, headers: &HeaderMap) -> bool {
    peer.user().is_ok_and(|user| user.operator)
        && !Gate::is_forwarded(headers)
        && !is_of_a_browser(headers)
        && (!to_us || calls_this_machine(headers))
}

/// A line of the audit log. Queries stay out of it, for they may hold secrets.
pub(super) fn note(shared: &Shared, peer: &Peer, what: String, status: StatusCode, why: Option<String>) {
    let user = peer.user().ok();
    let who = user.map(|user| match &user.name {
        Some(name) => format!("uid {} ({name})", user.uid),
        None => format!("uid {}", user.uid),
    });
    shared.handle.audit().note(Entry {
        at: Now::read().wall,
        who: who.unwrap_or_else(|| "anonymous".to_owned()),
        uid: peer.uid(),
        from: peer.from().to_string(),
        what,
        target: None,
        status: status.as_u16(),
        outcome: Outcome::of(status.as_u16()),
        why,
    });
}
