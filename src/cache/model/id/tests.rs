//! The vectors of Dragonfly's ids, and what no URL may do.

use super::*;
use proptest::prelude::*;

/// What names a content, the manager's id and the daemon's id (`=`: the same). Numbered as in the reference.
const VECTORS: &str = "
V1 https://files.example.net/pkg/app-1.2.tar.gz
    2916b1dfa0dda96262c6087e25f308417bdf58382221be3b34e6808a0e7a4229
    =
V2 https://files.example.net/pkg/app-1.2.tar.gz tag=nightly
    a2dc50939365660e48bc11646b3d5cb1f138e03464a00fe90e1ba14080e22146
    =
V3 https://files.example.net/pkg/app-1.2.tar.gz application=ci
    f578bfc095b9d6c1540df7257f88ce080c594992c7421eb654fcba5e7de7509d
    =
V4 https://files.example.net/pkg/app-1.2.tar.gz tag=nightly application=ci
    566b2a4b92a7b501e098192529e9e5253509641352531263b7b8e868562cc8ef
    =
V5 https://files.example.net/pkg/app-1.2.tar.gz piece_length=4194304
    a9c895f7d5aa51bfa2863fb20223fd96ca5b3d825669e5094ae9b4f7183dcf30
    =
V6 https://files.example.net/pkg/app-1.2.tar.gz tag=nightly application=ci piece_length=8388608
    1e5016839f02267929117375a9059d65deb2bd23a1bd34720dd5205d4a26d4e0
    =
V7 https://files.example.net
    141bdaa472436bb374aaa9d21be7d920ef49cbdb2edcea7cbf51f7580b68ca5a
    =
V8 https://files.example.net/
    accfb9d75b8a8dc164c772bd22dc3eacc0bce3b0ad1de61db7205fb2f8bd839a
    141bdaa472436bb374aaa9d21be7d920ef49cbdb2edcea7cbf51f7580b68ca5a
V9 https://bucket.example.net/o/data.bin?X-Amz-Signature=abc&X-Amz-Date=20260101T000000Z&versionId=7
    98a4e6916593d257d14ff54fd6858e076846cb65760b0f62408661ec4cd49ffd
    =
V10 https://files.example.net/get?b=2&a=1
    19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60
    093120e943a80c3870d245c789853cb6125232759343c703745e03bf12532edb
V11 https://files.example.net/get?a=1&b=2
    19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60
    =
V12 https://files.example.net/get?a=1&b=2&sig=zz filter=sig
    19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60
    =
V13 https://files.example.net/get?q=a%20b&x=%7E
    8a50a4077f153d063799e88cdcffd4803b4512a32cb9392a0b174fa5eab320e8
    0b2bffb22611a78c59d248b64e7d8fe8dcca52d2ed8f65ef22903f2159481ae5
V14 https://files.example.net/get?q=a*b
    8c77304d17d80a022adba9b8c9b9c1e6926078885689d21041a6948810cf2d55
    ea9ef4bcf86efec7d034436c0919bc712af1d59fe68a6935e5bd715413de5ead
V15 https://files.example.net/get?k=1&k=2&j=
    c5504be9d40926c30482ca3a3cf93f448ff1ded2ebfd259856492eb3f229ace7
    af3b37bd5c2da5c984b0b24ed5fb14ae6da99d8b605e12b3fd17b117f2a6f2ea
V16 https://files.example.net/get?flag
    bb22e841b1aa53513a3df99c144b743c7fe84cceafa120c8cb5ce978f2f1f46b
    =
V17 https://files.example.net/get?expires=5&Expires=6
    5683ea6be7883af8681782e32e850a2673073db7b8d7a77e3ba633d351da229a
    =
V18 https://files.example.net/get?
    65c52f5f60c2fa3bf29614a8215353a47ed7593354a7e3ed110c64b8922f771b
    ee555b336b0ea29029689418716c968374bc783a47ad782a04ef2465d699d5de
V19 https://files.example.net/get?a=1;b=2&c=3
    77d63d0f26a268245da3cab16f9842c44cd45fac8979c340c749ca01a1031783
    a64fdcba2c39bf9ee5f3caafb1a425cba2e45e25b3f47372e2b3ea1acc138938
V20 https://files.example.net/get?b=1&B=2&a=3
    ab55b6d83debad8a10ab442e1976683bb43766232e49481769f358eff5485574
    ad75da02f5bbc7ebe2d63ae31e0ca9104302218155d5cd52c702ce4671396678
V21 https://files.example.net/a.txt#part
    2220e560d8036059046067e473455c1732bc469cf9acb8b3d8c2b1be9416a72e
    =
V22 https://files.example.net/a/../b/./c.txt
    7f98759f131ca3e07cd8349870a177f0f6944cc5c558e0cb84be0655ed5e49ad
    a19221b826e45e4b514b883e36972a8b8a34c36bafba29d89ab207ea4260f849
V23 https://Files.Example.NET:443/pkg/x
    20f3a55402133bc30039909628aafe4f43ef022a4966afac2531be72afa593a2
    543b03d6ecf5f22ec78858753e6862ff707ac649276fd4f0b52d97fc434dfe14
V24 https://files.example.net/café.txt
    946a72c2a660a571bb63d1d6a2da68883c43b8d3a3e88e996fcee55d1642e06a
    =
V25 https://registry.example.net/v2/team/app/blobs/sha256:3f1b0e5d5e9b1c8f3a2d4c6b7e8f90123456789abcdef0123456789abcdef012
    0a8151e50b862dd5d7635363ccc1ccbd9154908d1eae786a677e92eca29a630a
    =
V26 https://registry.example.net/v2/team/app/blobs/sha256:3f1b0e5d5e9b1c8f3a2d4c6b7e8f90123456789abcdef0123456789abcdef012?ns=mirror.example.org
    0a8151e50b862dd5d7635363ccc1ccbd9154908d1eae786a677e92eca29a630a
    =
V27 https://registry.example.net/v2/team/app/blobs/sha256:3f1b0e5d5e9b1c8f3a2d4c6b7e8f90123456789abcdef0123456789abcdef012?ns=mirror.example.org filter=Expires&Signature
    e5046b04de0e68ade4fe1c67fec6d485aebfb9acac8418935cc15051176f67eb
    =
V30 https://example.com
    457b4328cde278e422c9e243f7bfd1e97f511fec43a80f535cf6b0ef6b086776
    =
";

/// An identity as a line of [`VECTORS`] says it.
fn identity(url: &str, more: &[&str]) -> Identity {
    let mut identity = Identity::of_url(url);
    for (name, value) in more.iter().filter_map(|word| word.split_once('=')) {
        match name {
            "tag" => identity.tag = value.into(),
            "application" => identity.application = value.into(),
            "piece_length" => identity.piece_length = Some(value.parse().unwrap()),
            "filter" => identity.filter = Filter::new(value),
            name => panic!("{name}"),
        }
    }
    identity
}

/// The id whose text this is, whether there is one or not.
fn text(id: Option<&TaskId>) -> String {
    id.map(TaskId::to_string).unwrap_or_default()
}

#[test]
fn vectors_of_urls_are_met_in_both_columns() {
    let mut seen = 0;
    let mut lines = VECTORS.lines().filter(|line| !line.is_empty());
    while let (Some(what), Some(manager), Some(daemon)) = (lines.next(), lines.next(), lines.next()) {
        let words: Vec<&str> = what.split(' ').collect();
        let [number, url, more @ ..] = &words[..] else { panic!("{what}") };
        let ids = identity(url, more).ids();
        assert_eq!(text(ids.manager.as_ref()), manager.trim(), "{number}: the manager's");
        let daemon = if daemon.trim() == "=" { manager } else { daemon };
        assert_eq!(text(ids.daemon.as_ref()), daemon.trim(), "{number}: the daemon's");
        assert_eq!(Some(&ids.primary), ids.manager.as_ref());
        seen += 1;
    }
    assert_eq!(seen, 28); // V28 and V29 are below
}

#[test]
fn v28_a_revision_follows_the_application() {
    let v1 = "https://files.example.net/pkg/app-1.2.tar.gz";
    let id = Identity::of_url(v1).of_written(v1.as_bytes(), "main");
    assert_eq!(id.to_string(), "672112c0434d364012546fdbb066ccc66d2c1470b668e83847c1062746f8d6e9");
}

#[test]
fn v29_nothing_separates_a_tag_from_an_application() {
    for more in [["tag=ab", "application=c"], ["tag=a", "application=bc"]] {
        let ids = identity("https://files.example.net/f", &more).ids();
        let expected = "2a0bb0bde15320a187c700422177c5904d16c25b166c7c4538dbbce2ab305c0e";
        assert_eq!([text(ids.manager.as_ref()), text(ids.daemon.as_ref())], [expected, expected]);
    }
}

#[test]
fn v31_v32_a_content_that_names_itself_has_one_id() {
    let vectors = [
        ("release-2026-08", "06f5e2c46e5d3870d64019b6469e0c3520e1c1c996ba8fd60a517de1b7d27aeb"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ];
    for (content, expected) in vectors {
        let named = Identity { content: Some(content.into()), ..identity("https://example.com/a", &["tag=t"]) };
        let ids = named.ids();
        assert_eq!(ids.primary.to_string(), expected);
        assert_eq!((&ids.manager, &ids.daemon, &ids.digest), (&None, &None, &None));
        assert_eq!(ids.own().collect::<Vec<_>>(), [&ids.primary]);
    }
}

#[test]
fn v33_a_blob_may_be_named_by_its_digest() {
    let digest = "3f1b0e5d5e9b1c8f3a2d4c6b7e8f90123456789abcdef0123456789abcdef012";
    let url = format!("https://registry.example.net/v2/team/app/blobs/sha256:{digest}?ns=mirror.example.org");
    let mut blob = Identity::of_url(&url);
    let ids = blob.ids();
    assert_eq!(text(ids.digest.as_ref()), digest);
    assert!(ids.own().all(|id| Some(id) != ids.digest.as_ref()), "the digest is not this task's alone");
    blob.by_digest = true;
    let ids = blob.ids();
    assert_eq!(ids.primary.to_string(), digest);
    assert_eq!(ids.own().count(), 2);
    let sum = Identity { by_digest: true, ..Identity::of_url("http://r/v2/a/blobs/crc32:2504815813") };
    assert_eq!(sum.ids().primary.to_string(), "2504815813");
}

#[test]
fn v34_v35_v36_persistent_kinds_have_ids_of_their_own() {
    let object = persistent::object("s3://bucket/models/m.bin", "eu-central-1", "https://s3.example.net");
    assert_eq!(object.to_string(), "9fd4ae619aed7e02fc3579eeb2c337e919a267d3cafe3051fec4faa295f9a0e7");
    let file = persistent::file(b"hello hostler\n", "", "", None);
    assert_eq!(file.to_string(), "e4a0006e6e84f0e28be3d02c04e3f2f93535a64616ddc7cff1a8011fdb029994");
    let file = persistent::file(b"hello hostler\n", "nightly", "ci", Some(4_194_304));
    assert_eq!(file.to_string(), "7001f04c966807ee820c7cc08d42d6288e742504a70009e48f8018b2882ffc10");
}

#[test]
fn v37_what_is_no_url_is_the_empty_one_to_a_manager_and_nothing_to_a_daemon() {
    for url in ["", "://", "http://[::1", "http://a b/", "http://host:port/", "http://h/%zz", "http://h/\u{1}"] {
        let ids = Identity::of_url(url).ids();
        let empty = "335fd665f279a081079a603243547268742c8e8d0af2f06b6a4b09b40c06e243";
        assert_eq!(text(ids.manager.as_ref()), empty, "{url:?}");
    }
    for url in ["", "://", "http://[::1", "http://host:port/"] {
        assert_eq!(Identity::of_url(url).ids().daemon, None, "{url:?}");
    }
}

#[test]
fn the_default_filter_is_dragonflys() {
    assert_eq!(DEFAULT_FILTER.len(), 452);
    let mut names: Vec<&str> = DEFAULT_FILTER.split('&').collect();
    assert_eq!((names.len(), names[0], names[31]), (32, "X-Amz-Algorithm", "ns"));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 30);
    assert_eq!(Filter::new("").text(), DEFAULT_FILTER);
    assert_eq!(Filter::new("a&b").text(), "a&b");
}

/// How Go writes these URLs: from its own documentation and tests of `net/url`.
#[test]
fn go_writes_urls_in_its_own_way() {
    let written = |url: &str| go::write(url, &Filter::new("")).map(|url| String::from_utf8(url).unwrap());
    let same = [
        "http://a/b",
        "mailto:a@b.c",
        "http://user:pw@h:80/",
        "http://[::1]:80/x",
        "file:///etc/passwd",
        "a:/b",
        "/a/b:c",
        "//host/path",
        "http://h",
        "http://h?",
        "http://h/?#f",
        "http://h/a%2Fb",
        "http://h/~(a)",
        "HTTP",
        "./a:b/c",
        "*",
        "http://[fe80::1%25en0]/",
        "http:///x",
        "http://h/[x]",
        "http://@h/",
        "http://h:/x",
        "///x/y",
        "http://h/#a%20b?",
    ];
    for url in same {
        assert_eq!(written(url).as_deref(), Some(url));
    }
    let other = [
        ("HTTP://H/", "http://H/"),
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/a b%2fc", "http://h/a%20b/c"),
        ("http://h/\"%22", "http://h/%22%22"),
        ("http://h/?x=%zz&y=1", "http://h/?y=1"),
        ("http://h/?=1&&a", "http://h/?=1&a="),
        ("http://h/?a=%ff", "http://h/?a=%FF"),
        ("http://h/#a b", "http://h/#a%20b"),
        ("http://u%41:p%2f@h/", "http://uA:p%2F@h/"),
        ("http://é/", "http://%C3%A9/"),
        ("http://%c3%a9/", "http://%C3%A9/"),
        ("http://h/??", "http://h/?%3F="),
        ("http://h/#", "http://h/"),
    ];
    for (url, expected) in other {
        assert_eq!(written(url).as_deref(), Some(expected), "{url}");
    }
    for url in [":a", "b@c:d/", "http://h:8x/", "http://%41/", "http://h/%", "http://u@v{@h/"] {
        assert_eq!(written(url), None, "{url}");
    }
}

#[test]
fn only_what_names_a_blob_has_a_digest() {
    let hex = "0".repeat(64);
    let has = |url: &str| Identity::of_url(&url.replace("HEX", &hex)).blob_digest().is_some();
    assert!(has("http://h/v2/a/blobs/sha256:HEX") && has("http://h:5000/v2/a/b/c/blobs/sha256:HEX?x#y"));
    for url in [
        "http://h/v2/a/manifests/sha256:HEX",
        "http://h/v2/blobs/sha256:HEX",
        "http://h/v2/a/blobs/sha256:00",
        "http://h/?/v2/a/blobs/sha256:HEX",
        "/v2/a/blobs/sha256:HEX",
        "http://h/x/v2/a/blobs/sha256:HEX",
        "http://h/v2/a/blobs/md5:HEX",
        "http://h/v2/a/blobs/sha256:HEX/x",
    ] {
        assert!(!has(url), "{url}");
    }
}

#[test]
fn ids_are_read_in_either_case_and_written_in_small_letters() {
    let id = TaskId::parse("ABCDEF0123").unwrap();
    assert_eq!((id.to_string().as_str(), format!("{id:?}").as_str()), ("abcdef0123", "abcdef0123"));
    assert_eq!(id.bytes(), [0xab, 0xcd, 0xef, 1, 0x23]);
    for text in ["", "abcdef", "abcdef012", "abcdefgh", "+bcdef01", &"0".repeat(130), "äääääääää"] {
        assert_eq!(TaskId::parse(text), None, "{text}");
    }
    assert!(TaskId::parse(&"f".repeat(128)).is_some());
}

/// Texts that look like URLs here and there.
fn url_like() -> impl Strategy<Value = String> {
    let parts =
        ["http:", "HTTPS:", "//", "/", "host", "[::1]", ":80", "?", "&", "=", "#", "%", "%41", "%C3", "é", ".."];
    let rest = ["@", ";", "+", " ", "*", "~", "ns", "v2", "/blobs/", "sha256:", "\u{0}", "\u{7f}", "[", "]", "\\"];
    let parts: Vec<&'static str> = parts.into_iter().chain(rest).collect();
    proptest::collection::vec(prop_oneof![proptest::sample::select(parts).prop_map(String::from), ".{0,3}"], 0..12)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn every_text_has_ids(url in url_like(), filter in url_like(), tag in ".{0,4}", by_digest: bool) {
        let identity = Identity { filter: Filter::new(&filter), tag, by_digest, ..Identity::of_url(&url) };
        let ids = identity.ids();
        prop_assert_eq!(TaskId::parse(&ids.primary.to_string()), Some(ids.primary.clone()));
        prop_assert!(ids.own().count() <= 3);
    }

    #[test]
    fn what_is_written_once_is_written_so_again(url in url_like()) {
        let filter = Filter::new("ns");
        if let Some(url) = go::write(&url, &filter) {
            let url = String::from_utf8(url).unwrap();
            prop_assert_eq!(go::write(&url, &filter), Some(url.into_bytes()));
        }
    }

    #[test]
    fn any_text_is_an_id_or_none(text in "[0-9a-fA-F]{0,140}.{0,2}") {
        if let Some(id) = TaskId::parse(&text) {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
    }
}
