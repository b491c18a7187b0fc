//! `/openapi.json`: OpenAPI 3.1 of every route, written from the table that routes.

use crate::http::route::Route;
use crate::http::table::Family;
use bytes::Bytes;
use hyper::Method;
use std::collections::BTreeMap;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApiBuilder, PathItem, PathsBuilder, Required,
    ResponseBuilder, Type,
};

/// The name of the token scheme within the document.
const TOKEN: &str = "token";

/// The document as compact JSON.
pub fn describe(routes: &[Route]) -> Bytes {
    let mut places: BTreeMap<String, BTreeMap<&str, Vec<&Route>>> = BTreeMap::new();
    for route in routes {
        places.entry(template(route.path)).or_default().entry(route.method.as_str()).or_default().push(route);
    }
    let mut paths = PathsBuilder::new();
    for (path, methods) in &places {
        let mut item: Option<PathItem> = None;
        for sharing in methods.values() {
            let Some((method, operation)) = operation(path, sharing) else { continue };
            let this = PathItem::new(method, operation);
            match &mut item {
                Some(item) => item.merge_operations(this),
                None => item = Some(this),
            }
        }
        if let Some(item) = item {
            paths = paths.path(path.as_str(), item);
        }
    }
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of this daemon. Local users need none: over the Unix socket and from loopback the kernel names them.",
    ));
    let components = ComponentsBuilder::new().security_scheme(TOKEN, SecurityScheme::Http(token.build())).build();
    let info = InfoBuilder::new()
        .title("hostler")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("One daemon for everything a Linux host runs."));
    let document = OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build();
    // A document made of text and maps of text can always be written.
    serde_json::to_vec(&document).unwrap_or_default().into()
}

/// `{*rest}` is the router's word for the rest of a path; the format has only `{rest}`.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

/// One operation. Two families may share a path, told apart by a header: then it says both.
fn operation(path: &str, sharing: &[&Route]) -> Option<(HttpMethod, Operation)> {
    let first = sharing.first()?;
    let method = method(&first.method)?;
    let summaries: Vec<&str> = sharing.iter().map(|route| route.doc.summary).collect();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(&first.method, path)))
        .summary(Some(summaries.join("; or: ")));
    for name in parameters(path) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text())),
        );
    }
    for route in sharing {
        operation = operation.tag(route.family.name());
        for (name, meaning) in route.doc.query {
            operation = operation.parameter(
                ParameterBuilder::new()
                    .name(*name)
                    .parameter_in(ParameterIn::Query)
                    .required(Required::False)
                    .description(Some(*meaning))
                    .schema(Some(text())),
            );
        }
        if let Some(body) = route.doc.body {
            let json = ContentBuilder::new().schema(Some(ObjectBuilder::new())).build();
            let body = RequestBodyBuilder::new().description(Some(body)).content("application/json", json);
            operation = operation.request_body(Some(body.build()));
        }
        for (status, meaning) in route.doc.answers {
            operation = operation.response(status.to_string(), ResponseBuilder::new().description(*meaning));
        }
        operation = operation.response("default", refusal(route.family));
        if !route.access.is_open() || route.doorman.is_some() {
            operation = operation
                .security(SecurityRequirement::default())
                .security(SecurityRequirement::new(TOKEN, Vec::<String>::new()));
        }
    }
    Some((method, operation.build()))
}

/// How the family says no.
fn refusal(family: Family) -> ResponseBuilder {
    let integer = || ObjectBuilder::new().schema_type(Type::Integer);
    let shape = match family {
        Family::Proc | Family::Hub => ObjectBuilder::new().property("code", integer()).property("msg", text()),
        Family::Dag => ObjectBuilder::new().property("error", text()).property("message", text()),
        Family::Cache => ObjectBuilder::new().property("message", text()).property("errors", text()),
        Family::Own => ObjectBuilder::new().property("error", text()).property("code", text()),
        Family::Tracker => ObjectBuilder::new()
            .property("ok", ObjectBuilder::new().schema_type(Type::Boolean))
            .property("message", text()),
    };
    let content = ContentBuilder::new().schema(Some(shape)).build();
    ResponseBuilder::new().description("refused or failed").content("application/json", content)
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// `get_proc_task` for `GET /proc/task`.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method.as_str().to_ascii_lowercase()).chain(words.map(str::to_owned)).collect::<Vec<_>>().join("_")
}

fn method(method: &Method) -> Option<HttpMethod> {
    Some(match method.as_str() {
        "GET" => HttpMethod::Get,
        "PUT" => HttpMethod::Put,
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        "HEAD" => HttpMethod::Head,
        "OPTIONS" => HttpMethod::Options,
        "TRACE" => HttpMethod::Trace,
        _ => return None,
    })
}
