//! Which of the five APIs, or hostler's own, a path belongs to, and how each of them says no.
//!
//! One row per family: the prefixes that are its own, what it makes of slashes and dots, what HEAD and OPTIONS
//! mean to it, and how a wrong method is answered. A path belongs to its family whether or not a route for it
//! exists, so a client of a family still to come already gets refusals in the shape it can read. What no row
//! claims is the tracker's, whose original answers at `/`.

use crate::http::path::Segments;
use hyper::Method;

/// One of the APIs that share the listeners; decides how a refusal looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Supervised processes, `/proc`.
    Proc,
    /// DAG runs, `/v1` and `/ready`.
    Dag,
    /// Data hub and its daemon, `/daemon`, `/heartbeat`, parts of `/api`.
    Hub,
    /// Download cache, `/oapi`, `/api/v1`, `/healthy`.
    Cache,
    /// hostler's own routes.
    Own,
    /// Work tracker: everything else.
    Tracker,
}

impl Family {
    /// The word for logs, metrics and the OpenAPI tag.
    pub fn name(self) -> &'static str {
        match self {
            Family::Proc => "proc",
            Family::Dag => "dag",
            Family::Hub => "hub",
            Family::Cache => "cache",
            Family::Own => "own",
            Family::Tracker => "tracker",
        }
    }

    /// The family's row.
    pub fn rules(self) -> &'static Row {
        TABLE.iter().find(|row| row.family == self).unwrap_or(&TRACKER)
    }
}

/// What a family makes of empty segments and dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slashes {
    /// Empty segments do not count, wherever they are: `//proc/` is `/proc`.
    Ignored,
    /// One slash at the end does not count.
    TrailingEqual,
    /// Every slash counts.
    Exact,
    /// Repeated slashes collapse, `.` and `..` resolve, but a slash at the end counts.
    Collapsed,
}

/// What HEAD means to a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// As GET, without the body.
    AsGet,
    /// A method like another: refused where no route has it.
    Refused,
}

/// What OPTIONS means to a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    /// A method like another: refused where no route has it.
    Refused,
    /// 204 where the request has an `Origin`, else refused.
    WithOrigin,
    /// 200 on any path, with the three headers of the original tracker.
    Always,
}

/// How a method that a known path does not have is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongMethod {
    /// 405 with `Allow`.
    NotAllowed,
    /// 404, as if the path did not exist.
    NotFound,
}

/// A family's manners.
#[derive(Debug)]
pub struct Row {
    /// Whose row.
    pub family: Family,
    /// Paths that are the family's, with everything below them; compared segment by segment.
    pub prefixes: &'static [&'static str],
    /// Whether the first segment may be written with a capital, and methods in small letters.
    pub any_case: bool,
    /// See [`Slashes`].
    pub slashes: Slashes,
    /// See [`Head`].
    pub head: Head,
    /// See [`Options`].
    pub options: Options,
    /// See [`WrongMethod`].
    pub wrong_method: WrongMethod,
    /// A first segment under which the same paths are served once more.
    pub mount: Option<&'static str>,
}

const TRACKER: Row = Row {
    family: Family::Tracker,
    prefixes: &[],
    any_case: false,
    slashes: Slashes::Collapsed,
    head: Head::Refused,
    options: Options::Always,
    wrong_method: WrongMethod::NotFound,
    mount: Some("api"),
};

/// The table. The tracker's row has no prefixes: it takes what is left.
pub const TABLE: [Row; 6] = [
    Row {
        family: Family::Proc,
        prefixes: &["/proc"],
        any_case: true,
        slashes: Slashes::Ignored,
        head: Head::Refused,
        options: Options::Refused,
        wrong_method: WrongMethod::NotAllowed,
        mount: None,
    },
    Row {
        family: Family::Dag,
        prefixes: &["/v1", "/ready"],
        any_case: false,
        slashes: Slashes::TrailingEqual,
        head: Head::AsGet,
        options: Options::Refused,
        wrong_method: WrongMethod::NotAllowed,
        mount: None,
    },
    Row {
        family: Family::Hub,
        prefixes: &[
            "/daemon",
            "/heartbeat",
            "/api/daemon",
            "/api/heartbeat",
            "/api/ep",
            "/api/users",
            "/api/datapools",
            "/api/repositories",
            "/api/job",
        ],
        any_case: false,
        slashes: Slashes::TrailingEqual,
        head: Head::AsGet,
        options: Options::Refused,
        wrong_method: WrongMethod::NotAllowed,
        mount: None,
    },
    Row {
        family: Family::Cache,
        prefixes: &["/oapi", "/api/v1", "/healthy"],
        any_case: false,
        slashes: Slashes::Exact,
        head: Head::Refused,
        options: Options::WithOrigin,
        wrong_method: WrongMethod::NotAllowed,
        mount: None,
    },
    Row {
        family: Family::Own,
        prefixes: &["/hostler/v1", "/events", "/healthz", "/readyz", "/metrics", "/openapi.json", "/console"],
        any_case: false,
        slashes: Slashes::TrailingEqual,
        head: Head::AsGet,
        options: Options::Refused,
        wrong_method: WrongMethod::NotAllowed,
        mount: None,
    },
    TRACKER,
];

/// What besides the path tells two families apart that share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// The request has an `Authorization` header: on `/api` it asks the hub for a token.
    pub authorization: bool,
    /// `Accept` names `text/html`: on `/` it is a browser that wants a page.
    pub html: bool,
}

/// The family that answers `method` on this path.
pub fn family_of(method: &Method, segments: &Segments, hints: Hints) -> Family {
    let named: Vec<&str> = segments.named().collect();
    match named[..] {
        [] if hints.html && method == Method::GET => return Family::Own,
        ["api"] if hints.authorization => return Family::Hub,
        _ => {}
    }
    let claims = |row: &Row| row.prefixes.iter().any(|prefix| starts_with(&named, prefix, row.any_case));
    TABLE.iter().find(|row| claims(row)).map_or(Family::Tracker, |row| row.family)
}

fn starts_with(named: &[&str], prefix: &str, any_case: bool) -> bool {
    let mut named = named.iter();
    prefix.split('/').skip(1).enumerate().all(|(place, wanted)| match named.next() {
        Some(found) => *found == wanted || (any_case && place == 0 && capitalised(found, wanted)),
        None => false,
    })
}

/// Whether `found` is `wanted` with its first letter in upper case.
fn capitalised(found: &str, wanted: &str) -> bool {
    let (mut found, mut wanted) = (found.chars(), wanted.chars());
    found.next() == wanted.next().map(|first| first.to_ascii_uppercase()) && found.as_str() == wanted.as_str()
}
