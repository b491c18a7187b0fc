//! The ids of Dragonfly's persistent kinds of tasks.
//!
//! They name objects in a store (`persistent`) and files that somebody put into the cache by hand (`persistent cache`).
//! Nothing here is kept under them; they are what such a content is called on other hosts, so that it can be recognised
//! where a file from there is at hand.

use super::TaskId;

/// Of an object in a store.
pub fn object(url: &str, region: &str, endpoint: &str) -> TaskId {
    TaskId::hash([url, region, endpoint, "PERSISTENT"].map(str::as_bytes))
}

/// Of a file that was put into the cache. An empty tag or application is as none.
pub fn file(bytes: &[u8], tag: &str, application: &str, piece_length: Option<u64>) -> TaskId {
    let piece_length = piece_length.map(|length| length.to_string()).unwrap_or_default();
    let named = [tag, application, &piece_length, "PERSISTENT_CACHE"];
    TaskId::hash(std::iter::once(bytes).chain(named.map(str::as_bytes)))
}
