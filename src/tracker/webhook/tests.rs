//! Signatures and branches.

use super::*;
use crate::tracker::engine::Registration;
use hyper::header::{HeaderName, HeaderValue};
use std::time::Duration;

const BODY: &[u8] = br#"{"ref":"refs/heads/master","after":"abc123","repository":{"full_name":"acme/widgets"}}"#;
const BY_SHA256: &str = "8b6d795972d1e1a4907463c9fd72dd52ca49d38d48cafdc7dcdeeb35a67aa6be";
const BY_SHA1: &str = "2adb77a1c90fd8a36118811f92655c53db128dea";

fn settings() -> Settings {
    Settings {
        registration: Registration::Open,
        anybody_makes_workers: true,
        cookie: "tt".to_owned(),
        session: Duration::from_secs(60),
        max_assign_time: Duration::from_secs(60),
        webhook_header: "X-Mine".to_owned(),
        webhook_hash: HookHash::Sha1,
        webhook_branches: vec!["master".to_owned(), "main".to_owned()],
        public_logs: false,
        log_levels: Vec::new(),
        keep_logs: 1,
        keep_logs_for: Duration::from_secs(60),
        sample_every: Duration::from_secs(60),
        keep_samples: Duration::from_secs(60),
    }
}

fn passes(key: &str, header: &'static str, value: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(header), HeaderValue::from_str(value).unwrap());
    is_signed(&Secret::new(key), BODY, &signatures(&headers, &settings()))
}

#[test]
fn each_git_server_is_understood() {
    assert!(passes("whsec", "x-hub-signature", &format!("sha1={BY_SHA1}")));
    assert!(passes("whsec", "x-hub-signature-256", &format!("sha256={BY_SHA256}")));
    assert!(passes("whsec", "x-gogs-signature", BY_SHA256));
    assert!(passes("whsec", "x-gitea-signature", BY_SHA256));
    assert!(passes("whsec", "x-mine", BY_SHA1), "the configured one");
    assert!(passes("whsec", "x-mine", &format!("a=b={BY_SHA1}")), "up to the last equals sign");
}

#[test]
fn other_signatures_are_not() {
    assert!(!passes("whsec", "x-other", BY_SHA256), "another header");
    assert!(!passes("whsec", "x-gogs-signature", BY_SHA1), "another hash");
    assert!(!passes("other", "x-gogs-signature", BY_SHA256), "another key");
    assert!(!passes("whsec", "x-gogs-signature", &BY_SHA256.to_ascii_uppercase()));
    assert!(!passes("whsec", "x-gogs-signature", "sha256="));
    assert!(!passes("whsec", "x-gogs-signature", &BY_SHA256[..62]));
    let by_nothing = signature(HookHash::Sha256, &Secret::new(""), BODY);
    assert!(!passes("", "x-gogs-signature", &by_nothing), "a key that everybody knows");
}

#[test]
fn only_whole_branches_count() {
    let counts = |reference: &str| super::counts(reference, &settings());
    assert!(counts("refs/heads/master") && counts("refs/heads/main"));
    for other in ["", "master", "refs/heads/webmaster", "refs/tags/master", "refs/heads/x/master", "refs/heads/Master"]
    {
        assert!(!counts(other), "{other}");
    }
}
