//! Images are found in a registry of the test, which wants to see this or that first.

mod registry;

use super::speaker::Speaker;
use super::*;
use crate::cache::origin::RegistrySettings;
use crate::cache::origin::tests::double::{Double, Reply};
use crate::cache::origin::tests::{origins, registry as known};
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use registry::*;
use std::time::Duration;

fn none() -> Credentials {
    Credentials::default()
}

fn challenge(text: &str) -> HeaderMap {
    [(WWW_AUTHENTICATE, HeaderValue::from_str(text).unwrap())].into_iter().collect()
}

#[tokio::test]
async fn an_image_is_its_configuration_and_its_layers_each_once() {
    let double = registry(fixture(), Wants::Nothing).await;
    let found = blobs(&origins(vec![]), &double, "linux/amd64", &none()).await.unwrap();
    assert_eq!(found, all(&["{}", "layer-a\n", "layer-b\n"]));
    assert_eq!(found[1], "sha256:7865227e0db06199ce8f392876e6ad4e2a2f4b00b14c1b926a414e47fc741e3f");
    let found = blobs(&origins(vec![]), &double, "all", &none()).await.unwrap();
    assert_eq!(found, all(&["{}", "layer-a\n", "layer-b\n", "layer-c\n"]), "what is for no machine is not asked for");
    assert!(double.seen()[1].header("accept").contains("application/vnd.oci.image.index.v1+json"));
}

#[tokio::test]
async fn a_platform_without_a_manifest_is_told_so() {
    let double = registry(fixture(), Wants::Nothing).await;
    let error = blobs(&origins(vec![]), &double, "windows/amd64", &none()).await.unwrap_err().to_string();
    assert!(error.contains("no matching manifest") && error.contains("windows/amd64"), "{error}");
    assert!(error.contains("linux/amd64, linux/arm64") && !error.contains("unknown"), "{error}");
}

#[tokio::test]
async fn a_token_is_fetched_for_the_repository() {
    let double = registry(fixture(), Wants::Token).await;
    assert_eq!(blobs(&origins(vec![]), &double, "linux/arm64", &none()).await.unwrap(), all(&["{}", "layer-c\n"]));
    let seen = double.seen();
    assert_eq!(seen[0].target, "/v2/");
    assert_eq!(seen[1].target, "/token?x=y&service=r.test&scope=repository%3Ateam%2Fapp%3Apull");
    assert_eq!((seen[1].header("authorization"), seen[2].header("authorization")), ("", "Bearer t1"));
}

#[tokio::test]
async fn a_password_is_for_the_token_endpoint_and_the_token_for_blobs() {
    let double = registry(fixture(), Wants::Token).await;
    let resolved =
        resolve(&origins(vec![]), &image(&double), &Platform::parse("linux/amd64").unwrap(), &account()).await;
    let resolved = resolved.unwrap();
    let seen = double.seen();
    assert!(seen[1].target.ends_with("&account=me"), "{}", seen[1].target);
    assert_eq!(seen[1].header("authorization"), BASIC);
    let blob = Url::parse(&resolved.blobs[0]).unwrap();
    let sent = resolved.authority.headers(&blob);
    assert!(sent[AUTHORIZATION] == "Bearer t1" && sent[AUTHORIZATION].is_sensitive());
    let elsewhere = Url::parse("http://127.0.0.1:1/v2/team/app/blobs/x").unwrap();
    assert!(!resolved.authority.headers(&elsewhere).contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn what_is_given_is_sent_unchanged_and_nothing_is_asked_for() {
    let double = registry(fixture(), Wants::Token).await;
    let mut given = account();
    given.headers.insert(AUTHORIZATION, HeaderValue::from_static(GIVEN));
    given.headers.insert("range", HeaderValue::from_static("bytes=0-1"));
    given.headers.insert("x-mine", HeaderValue::from_static("1"));
    let resolved =
        resolve(&origins(vec![]), &image(&double), &Platform::parse("linux/amd64").unwrap(), &given).await.unwrap();
    assert!(
        double.seen().iter().all(|seen| seen.target.starts_with("/v2/team/app/manifests/")),
        "{:?}",
        paths(&double)
    );
    assert!(double.seen().iter().all(|seen| seen.header("authorization") == GIVEN && seen.header("x-mine") == "1"));
    let blob = Url::parse(&resolved.blobs[0]).unwrap();
    let sent = resolved.authority.headers(&blob);
    assert!(sent[AUTHORIZATION] == GIVEN && !sent.contains_key("range"));
    assert!(!resolved.authority.challenged(&blob, &challenge("Basic")).await);
}

#[tokio::test]
async fn a_password_goes_with_blobs_where_the_registry_wants_it() {
    let double = registry(fixture(), Wants::Basic).await;
    let resolved =
        resolve(&origins(vec![]), &image(&double), &Platform::parse("linux/amd64").unwrap(), &account()).await.unwrap();
    let blob = Url::parse(&resolved.blobs[0]).unwrap();
    assert!(resolved.authority.headers(&blob)[AUTHORIZATION] == BASIC);
    let error = blobs(&origins(vec![]), &double, "linux/amd64", &none()).await.unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("team/app:v1"), "{error}");
}

#[tokio::test]
async fn what_is_configured_for_a_registry_is_used() {
    for wants in [Wants::Basic, Wants::Token] {
        let double = registry(fixture(), wants).await;
        let mine = RegistrySettings { account: me(), ..known(&double.address().to_string()) };
        assert!(blobs(&origins(vec![mine]), &double, "linux/amd64", &none()).await.is_ok());
        assert!(double.seen().iter().any(|seen| seen.header("authorization") == BASIC));
    }
}

#[tokio::test]
async fn a_token_that_expired_is_renewed_once_for_all_who_are_refused() {
    let double = registry(fixture(), Wants::Token).await;
    let mut speaker = Speaker::new(&origins(vec![]), none(), None);
    let [one, two] = ["a", "b"].map(|name| Url::parse(&double.url(&format!("/v2/team/app/blobs/{name}"))).unwrap());
    let wanted = challenge(&format!("Bearer realm=\"{}\"", double.url("/token")));
    let sent = |speaker: &Speaker, url: &Url| {
        speaker.headers(url).get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert_eq!((sent(&speaker, &one), sent(&speaker, &two)), (String::new(), String::new()));
    assert!(speaker.challenged(&one, &wanted).await && speaker.challenged(&two, &wanted).await);
    assert_eq!((sent(&speaker, &one), sent(&speaker, &two)), ("Bearer t1".to_owned(), "Bearer t1".to_owned()));
    assert_eq!(paths(&double).len(), 1);
    assert!(!speaker.challenged(&one, &wanted).await, "a fresh one that is refused");
    speaker.fresh = Duration::ZERO;
    assert!(speaker.challenged(&one, &wanted).await && speaker.challenged(&two, &wanted).await);
    assert_eq!((sent(&speaker, &one), paths(&double).len()), ("Bearer t2".to_owned(), 2));
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_to_somebody_else() {
    let thief = Double::start(|_| Reply::text(r#"{"token":"x"}"#)).await;
    let realm = thief.url("/token").replace("127.0.0.1", "localhost");
    let challenge = format!("Bearer realm=\"{realm}\"");
    let double = Double::start(move |_| Reply::status(401).with(WWW_AUTHENTICATE, &challenge)).await;
    let error = blobs(&origins(vec![]), &double, "linux/amd64", &account()).await.unwrap_err().to_string();
    assert!(error.contains("has no TLS") && !error.contains("pw"), "{error}");
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn a_token_endpoint_is_no_way_around_the_rules() {
    let double =
        Double::start(|_| Reply::status(401).with(WWW_AUTHENTICATE, "Bearer realm=\"http://169.254.169.254/token\""))
            .await;
    let error = blobs(&origins(vec![]), &double, "linux/amd64", &none()).await.unwrap_err().to_string();
    assert!(error.contains("link-local"), "{error}");
}

#[tokio::test]
async fn hosts_with_accounts_are_told_at_once_where_they_are_no_registries() {
    let mine = RegistrySettings { account: me(), ..known("files.test") };
    let speaker = authority(&origins(vec![mine]), none());
    let sent = |url: &str| speaker.headers(&Url::parse(url).unwrap()).contains_key(AUTHORIZATION);
    assert!(sent("http://files.test/a") && !sent("http://files.test/v2/a/blobs/x"));
    assert!(!sent("https://files.test/a") && !sent("http://other.test/a"));
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_names_is_refused() {
    let mut manifests = fixture();
    let digest = named(&manifest(&["layer-c\n"]));
    manifests.insert(digest, manifest(&["evil\n"]));
    let double = registry(manifests, Wants::Nothing).await;
    let error = blobs(&origins(vec![]), &double, "linux/arm64", &none()).await.unwrap_err().to_string();
    assert!(error.contains("another manifest than the digest names"), "{error}");
}

#[tokio::test]
async fn lists_may_be_in_lists_but_not_without_end() {
    let amd = manifest(&["layer-a\n"]);
    let inner = list(&[entry(&amd, "linux/amd64")]);
    let mut manifests: Manifests = [amd, inner.clone()].into_iter().map(|text| (named(&text), text)).collect();
    manifests.insert("v1".to_owned(), list(&[entry(&inner, "list")]));
    let double = registry(manifests, Wants::Nothing).await;
    assert_eq!(blobs(&origins(vec![]), &double, "linux/amd64", &none()).await.unwrap(), all(&["{}", "layer-a\n"]));
    assert!(blobs(&origins(vec![]), &double, "linux/s390x", &none()).await.is_err());
    let mut text = inner;
    let mut manifests = Manifests::new();
    for _ in 0..8 {
        manifests.insert(named(&text), text.clone());
        text = list(&[entry(&text, "list")]);
    }
    manifests.insert("v1".to_owned(), text);
    let double = registry(manifests, Wants::Nothing).await;
    let error = blobs(&origins(vec![]), &double, "linux/amd64", &none()).await.unwrap_err().to_string();
    assert!(error.contains("without end"), "{error}");
}

#[tokio::test]
async fn old_and_odd_manifests_are_read() {
    let old = format!(
        r#"{{"schemaVersion":1,"fsLayers":[{{"blobSum":"{0}"}},{{"blobSum":"{1}"}},{{"blobSum":"{0}"}}]}}"#,
        named("top"),
        named("base")
    );
    let foreign = manifest(&["layer-a\n", "layer-b\n"]).replacen(
        "application/vnd.oci.image.layer.v1.tar+gzip\"",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\",\"urls\":[\"https://elsewhere.test/x\"]",
        1,
    );
    for (text, expected) in [(old, all(&["top", "base"])), (foreign, all(&["{}", "layer-b\n"]))] {
        let double = registry([("v1".to_owned(), text)].into(), Wants::Nothing).await;
        assert_eq!(blobs(&origins(vec![]), &double, "", &none()).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_told_so() {
    let long = format!("\"{}\"", "x".repeat(4 << 20));
    let both = r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#;
    let weak = manifest(&["a"]).replace(&named("{}"), "crc32:1");
    let cases = [
        ("<html>", "no JSON"),
        ("{}", "expected one of"),
        (both, "expected one of"),
        (&weak, ""),
        (&long, "more than 4194304"),
    ];
    for (text, expected) in cases {
        let double = registry([("v1".to_owned(), text.to_owned())].into(), Wants::Nothing).await;
        let error = blobs(&origins(vec![]), &double, "", &none()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let double = registry(Manifests::new(), Wants::Nothing).await;
    let error = blobs(&origins(vec![]), &double, "", &none()).await.unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("team/app:v1"), "{error}");
}
