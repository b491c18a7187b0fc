//! URLs as a Dragonfly daemon writes them before it hashes them: by the rules of browsers.

use super::Filter;
use url::Url;

/// The URL without the parameters that do not count; none where it is no URL.
pub(super) fn write(text: &str, filter: &Filter) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let pairs = url.query_pairs().filter(|(name, _)| !filter.hides(name.as_bytes()));
    let pairs: Vec<(String, String)> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    if pairs.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    let root = url.path() == "/";
    let written = String::from(url);
    // A root path does not count where the URL ends with it.
    Some(if root { written.trim_end_matches('/').to_owned() } else { written })
}
