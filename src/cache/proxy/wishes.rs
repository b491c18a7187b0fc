//! What a request asks for in Dragonfly's headers.

use super::refusal::No;
use crate::cache::model::piece::{LONGEST, SHORTEST};
use crate::cache::model::{Filter, Identity};
use bytesize::ByteSize;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderName, PRAGMA};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const TAG: HeaderName = HeaderName::from_static("x-dragonfly-tag");
const APPLICATION: HeaderName = HeaderName::from_static("x-dragonfly-application");
const FILTER: HeaderName = HeaderName::from_static("x-dragonfly-filtered-query-params");
const PIECE_LENGTH: HeaderName = HeaderName::from_static("x-dragonfly-piece-length");
const CONTENT: HeaderName = HeaderName::from_static("x-dragonfly-content-for-calculating-task-id");
const BY_DIGEST: HeaderName = HeaderName::from_static("x-dragonfly-enable-task-id-based-blob-digest");
const PREFETCH: HeaderName = HeaderName::from_static("x-dragonfly-prefetch");
const OUTPUT: HeaderName = HeaderName::from_static("x-dragonfly-output-path");
const HARD_LINK: HeaderName = HeaderName::from_static("x-dragonfly-force-hard-link");

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) tag: String,
    pub(super) application: String,
    /// Joined with `&`.
    pub(super) filter: Option<String>,
    /// In bytes.
    pub(super) piece_length: Option<u64>,
    pub(super) content: Option<String>,
    /// The digest of a blob is its id.
    pub(super) by_digest: bool,
    /// The whole is fetched, whatever part is asked for.
    pub(super) prefetch: bool,
    /// Where to put the file.
    pub(super) output: Option<PathBuf>,
    /// … as a hard link, or not at all.
    pub(super) hard_link: bool,
    /// The origin is to be asked whether it has changed.
    pub(super) revalidate: bool,
}

impl Wishes {
    /// Reads them.
    ///
    /// # Errors
    /// One makes no sense.
    pub(super) fn read(headers: &HeaderMap) -> Result<Wishes, No> {
        let mut wishes = Wishes { revalidate: revalidates(headers), ..Wishes::default() };
        if headers.keys().all(|name| !name.as_str().starts_with("x-dragonfly-")) {
            return Ok(wishes);
        }
        let owned = |name: HeaderName| text(headers, &name).map(|text| text.map(str::to_owned));
        wishes.tag = owned(TAG)?.unwrap_or_default();
        wishes.application = owned(APPLICATION)?.unwrap_or_default();
        wishes.filter = text(headers, &FILTER)?.map(|list| {
            let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.collect::<Vec<_>>().join("&")
        });
        wishes.piece_length = text(headers, &PIECE_LENGTH)?.map(piece_length).transpose()?;
        wishes.content = owned(CONTENT)?;
        wishes.by_digest = flag(headers, &BY_DIGEST);
        wishes.prefetch = flag(headers, &PREFETCH);
        wishes.hard_link = flag(headers, &HARD_LINK);
        wishes.output = headers.get(&OUTPUT).map(|path| PathBuf::from(OsStr::from_bytes(path.as_bytes())));
        if let Some(path) = wishes.output.as_ref().filter(|path| !path.is_absolute()) {
            return Err(No::nonsense(format!("{OUTPUT}: {}: expected an absolute path", path.display())));
        }
        Ok(wishes)
    }

    /// What is wanted from this address; a filter of the request's own goes before that of a rule.
    pub(super) fn identity(&self, url: String, rule: Option<&str>) -> Identity {
        Identity {
            url,
            filter: Filter::new(self.filter.as_deref().or(rule).unwrap_or_default()),
            tag: self.tag.clone(),
            application: self.application.clone(),
            piece_length: self.piece_length,
            content: self.content.clone(),
            by_digest: self.by_digest,
        }
    }
}

/// The text of a header.
///
/// # Errors
/// It is none.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, No> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes());
    text.map(|text| Some(text.trim())).map_err(|_| No::nonsense(format!("{name}: expected text in UTF-8")))
}

/// Whether a header says yes.
pub(super) fn flag(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

fn piece_length(text: &str) -> Result<u64, No> {
    let read = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    read.filter(|length| (SHORTEST..=LONGEST).contains(length)).ok_or_else(|| {
        let text = text.escape_debug();
        No::nonsense(format!("{PIECE_LENGTH}: \"{text}\": expected a size from 4MiB to 64MiB, such as 8MiB"))
    })
}

/// Whether the client does not want what may be old.
fn revalidates(headers: &HeaderMap) -> bool {
    let lists =
        headers.get_all(CACHE_CONTROL).iter().chain(headers.get_all(PRAGMA)).filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|word| word.eq_ignore_ascii_case("no-cache") || word.replace(' ', "").eq_ignore_ascii_case("max-age=0"))
}
