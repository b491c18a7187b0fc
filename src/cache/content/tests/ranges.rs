//! The `Range` header.

use crate::base::Now;
use crate::cache::content::Contents;
use crate::cache::model::{Extent, Source, Validators};
use hyper::HeaderMap;
use hyper::header::{IF_RANGE, RANGE};

type Asked = Result<Option<std::ops::Range<u64>>, ()>;

fn of(text: &str, length: Option<u64>) -> Asked {
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, text.parse().unwrap());
    Contents::range(&headers, &source(length))
}

fn source(length: Option<u64>) -> Source {
    let extent = Extent { length, piece_length: 10 };
    Source { extent, validators: Validators::default(), headers: Vec::new(), checked: Now::read().wall }
}

#[test]
fn ranges_are_read_as_the_rules_say() {
    let cases: [(&str, Asked); 18] = [
        ("bytes=0-0", Ok(Some(0..1))),
        ("bytes=0-", Ok(Some(0..100))),
        ("bytes=10-19", Ok(Some(10..20))),
        ("BYTES = 10-19", Ok(Some(10..20))),
        ("bytes= 10 - 19", Ok(Some(10..20))),
        ("bytes=90-200", Ok(Some(90..100))),
        ("bytes=90-99999999999999999999999", Ok(Some(90..100))),
        ("bytes=-10", Ok(Some(90..100))),
        ("bytes=-200", Ok(Some(0..100))),
        ("bytes=-0", Err(())),
        ("bytes=100-", Err(())),
        ("bytes=99999999999999999999999-", Err(())),
        ("bytes=20-10", Ok(None)),
        ("bytes=0-1,5-6", Ok(None)),
        ("bytes=-", Ok(None)),
        ("bytes=+1-2", Ok(None)),
        ("pieces=0-1", Ok(None)),
        ("bytes", Ok(None)),
    ];
    for (text, expected) in cases {
        assert_eq!(of(text, Some(100)), expected, "{text}");
    }
    assert_eq!(of("bytes=0-", Some(0)), Err(()));
    assert_eq!(of("bytes=5-", None), Ok(None), "nobody knows how long it is");
    assert_eq!(Contents::range(&HeaderMap::new(), &source(Some(5))), Ok(None));
}

#[test]
fn a_range_of_another_version_is_not_heeded() {
    let validators =
        |etag: &str| Validators { etag: Some(etag.to_owned()), last_modified: Some("some day".to_owned()) };
    let named = |etag: &str| Source { validators: validators(etag), ..source(Some(100)) };
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, "bytes=1-2".parse().unwrap());
    assert_eq!(Contents::range(&headers, &named("\"a\"")), Ok(Some(1..3)));
    headers.insert(IF_RANGE, "\"a\"".parse().unwrap());
    assert_eq!(Contents::range(&headers, &named("\"a\"")), Ok(Some(1..3)));
    assert_eq!(Contents::range(&headers, &named("\"b\"")), Ok(None));
    assert_eq!(Contents::range(&headers, &source(Some(100))), Ok(None), "it has no name");
    headers.insert(IF_RANGE, "W/\"a\"".parse().unwrap());
    assert_eq!(Contents::range(&headers, &named("W/\"a\"")), Ok(None), "a weak tag names no bytes");
    headers.insert(IF_RANGE, "some day".parse().unwrap());
    assert_eq!(Contents::range(&headers, &named("\"b\"")), Ok(Some(1..3)));
}
