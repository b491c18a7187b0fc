//! Names of images, and the choice among their platforms.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<String, String> {
    let image = Image::parse(text, |host| host.starts_with("localhost")).map_err(|error| error.to_string())?;
    Ok(format!("{} {} {} {}", image.scheme, image.host, image.repository, image.reference))
}

#[test]
fn urls_of_manifests_name_images() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let by_digest = format!("https://r.example:5000/v2/a/manifests/manifests/{digest}");
    let cases = [
        ("http://127.0.0.1:8098/v2/team/app/manifests/v1", "http 127.0.0.1:8098 team/app v1".to_owned()),
        ("https://[::1]:5000/v2/app/manifests/1.0_x-y", "https [::1]:5000 app 1.0_x-y".to_owned()),
        (&by_digest, format!("https r.example:5000 a/manifests {digest}")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).as_deref(), Ok(&expected[..]));
        assert_eq!(Image::parse(text, |_| true).map(|image| image.manifest(&image.reference)).as_deref(), Ok(text));
    }
    let image = Image::parse(&by_digest, |_| false).unwrap();
    assert_eq!(image.blob("sha256:00"), "https://r.example:5000/v2/a/manifests/blobs/sha256:00");
}

#[test]
fn names_with_a_scheme_of_their_own_name_images() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let tag_and_digest = format!("oci://r.example/app:v1@{digest}");
    let cases = [
        ("oci://r.example/team/app:v1", "https r.example team/app v1".to_owned()),
        ("oci://r.example/app", "https r.example app latest".to_owned()),
        ("oci://localhost:5000/app:v2", "http localhost:5000 app v2".to_owned()),
        (&tag_and_digest, format!("https r.example app {digest}")),
        ("oci://docker.io/nginx", "https registry-1.docker.io library/nginx latest".to_owned()),
        ("oci://docker.io/a/b:1", "https registry-1.docker.io a/b 1".to_owned()),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).as_deref(), Ok(&expected[..]));
    }
}

#[test]
fn what_names_no_image_is_told_so() {
    for text in [
        "",
        "nginx:latest",
        "http://127.0.0.1:8098/team/app:v1",
        "ftp://h/v2/a/manifests/v1",
        "http://h/v2/manifests/v1",
        "http:///v2/a/manifests/v1",
        "http://u:p@h/v2/a/manifests/v1",
        "http://h/v2/../manifests/v1",
        "http://h/v2/a//b/manifests/v1",
        "http://h/v2/a/manifests/",
        "http://h/v2/a/manifests/v1?x=y",
        "http://h/v2/a/manifests/sha256:00",
        "http://h/v2/a/manifests/crc32:1",
        "oci://h",
        "oci://h/",
        "oci://h/a:",
        "oci://h/a@v1",
        "oci://h/a:b:c",
        "oci://h/a b",
        "http://h:x/v2/a/manifests/v1",
        "http://h/v2/a%2Fb/manifests/v1",
        "oci://h/a:?@sha256:0",
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains("parsing") && error.contains("/manifests/"), "{text}: {error}");
    }
}

/// The best of these, by its own name.
fn best<'a>(wanted: &str, offers: &[&'a str]) -> Option<&'a str> {
    let split: Vec<Vec<&str>> = offers.iter().map(|offer| offer.split('/').collect()).collect();
    let split = split.iter().map(|parts| (parts[0], parts[1], parts.get(2).copied()));
    Platform::parse(wanted).unwrap().best(split).map(|at| offers[at])
}

#[test]
fn the_best_platform_is_chosen() {
    let arms = ["linux/arm/v5", "linux/arm/v7", "linux/arm/v6", "linux/arm64", "linux/amd64", "unknown/unknown"];
    let cases = [
        ("linux/arm/v7", Some("linux/arm/v7")),
        ("linux/arm", Some("linux/arm/v7")),
        ("linux/arm/v6", Some("linux/arm/v6")),
        ("linux/arm/7", Some("linux/arm/v7")),
        ("linux/arm/v4", None),
        ("linux/arm64", Some("linux/arm64")),
        ("linux/arm64/v8", Some("linux/arm64")),
        ("linux/aarch64", Some("linux/arm64")),
        ("linux/x86_64", Some("linux/amd64")),
        ("linux/amd64/v3", Some("linux/amd64")),
        ("windows/amd64", None),
        ("linux/s390x", None),
        ("unknown/unknown", None),
        ("all", None),
    ];
    for (wanted, expected) in cases {
        assert_eq!(best(wanted, &arms), expected, "{wanted}");
    }
    assert_eq!(best("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6"]), Some("linux/arm/v6"));
    assert_eq!(best("linux/arm64", &["linux/arm64/v8", "linux/arm64"]), Some("linux/arm64/v8"), "the first of equals");
    assert_eq!(best("linux/amd64", &["linux/amd64/v2", "linux/amd64/v1"]), Some("linux/amd64/v1"));
    assert_eq!(best("linux/amd64", &["linux/amd64/v2"]), None);
    assert_eq!(best("linux/s390x/z1", &["linux/s390x", "linux/s390x/z1"]), Some("linux/s390x/z1"));
    // What another architecture's machine also runs is better than nothing, and nothing more.
    assert_eq!(best("linux/amd64", &["linux/386", "linux/amd64"]), Some("linux/amd64"));
    assert_eq!(best("linux/amd64", &["linux/386"]), Some("linux/386"));
    assert_eq!(best("linux/arm64", &["linux/arm/v6", "linux/arm/v7"]), Some("linux/arm/v7"));
    assert_eq!(best("linux/386", &["linux/amd64"]), None);
}

#[test]
fn platforms_are_written_as_images_write_them() {
    for (text, expected) in [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("all", "all"),
    ] {
        assert_eq!(Platform::parse(text).map(|platform| platform.to_string()).as_deref(), Ok(expected));
    }
    assert_eq!(Platform::parse(""), Ok(Platform::own()));
    assert!(Platform::own().to_string().starts_with("linux/"));
    for text in ["linux", "/", "linux/", "linux//v7", "a/b/c/d", "linux/am d64", "all/", "/a/b"] {
        let error = Platform::parse(text).unwrap_err().to_string();
        assert!(error.contains("platform") && error.contains("OS/ARCHITECTURE"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_image_or_none(text in "(oci|http|https|.{0,3})://.{0,3}[a-z0-9:\\[\\]@/.]{0,12}(/v2/)?.{0,6}(/manifests/)?.{0,6}") {
        if let Ok(image) = Image::parse(&text, |_| false) {
            let again = Image::parse(&image.manifest(&image.reference), |_| true);
            prop_assert_eq!(again, Ok(image));
        }
    }

    #[test]
    fn any_text_is_a_platform_or_none(text in "[a-z/v0-9.]{0,20}|.{0,20}", offer in "[a-z]{0,3}", variant in "v?[0-9.]{0,12}") {
        if let Ok(platform) = Platform::parse(&text) {
            prop_assert_eq!(Platform::parse(&platform.to_string()), Ok(platform.clone()));
            platform.best([(offer.as_str(), "arm", Some(variant.as_str())), ("linux", &offer, None)]);
        }
    }
}
