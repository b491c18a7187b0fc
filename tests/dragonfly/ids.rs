//! Case 35: the ids of URLs and contents, by the vectors of the reference, and the literal ids of its fixtures. Vectors
//! with a revision and those of persistent tasks (V28, V34–V36) name what no request here can ask for.

use super::*;

/// What `POST /oapi/v1/tasks/id` says: the ids of a manager, of a daemon and of the digest, none where there is none.
#[track_caller]
fn ids(body: Value) -> [Option<String>; 3] {
    let answer = shared().client().post("/oapi/v1/tasks/id", &body).expect(200).json();
    ["manager_id", "daemon_id", "blob_digest_id"].map(|name| answer[name].as_str().map(str::to_owned))
}

/// The first of the ids, under which a task is kept.
#[track_caller]
fn primary(body: Value) -> String {
    text(&shared().client().post("/oapi/v1/tasks/id", &body).expect(200).json()["primary"]).to_owned()
}

const APP: &str = "https://files.example.net/pkg/app-1.2.tar.gz";
const BLOB: &str = "https://registry.example.net/v2/team/app/blobs/\
                    sha256:3f1b0e5d5e9b1c8f3a2d4c6b7e8f90123456789abcdef0123456789abcdef012";

/// The vectors of which both ids are the same: arguments and id.
fn agreeing() -> Vec<(Value, &'static str)> {
    let v9 = "https://bucket.example.net/o/data.bin?X-Amz-Signature=abc&X-Amz-Date=20260101T000000Z&versionId=7";
    let in_mirror = format!("{BLOB}?ns=mirror.example.org");
    let shared_id = "2a0bb0bde15320a187c700422177c5904d16c25b166c7c4538dbbce2ab305c0e";
    vec![
        (json!({"url": APP}), "2916b1dfa0dda96262c6087e25f308417bdf58382221be3b34e6808a0e7a4229"),
        (json!({"url": APP, "tag": "nightly"}), "a2dc50939365660e48bc11646b3d5cb1f138e03464a00fe90e1ba14080e22146"),
        (json!({"url": APP, "application": "ci"}), "f578bfc095b9d6c1540df7257f88ce080c594992c7421eb654fcba5e7de7509d"),
        (
            json!({"url": APP, "tag": "nightly", "application": "ci"}),
            "566b2a4b92a7b501e098192529e9e5253509641352531263b7b8e868562cc8ef",
        ),
        (
            json!({"url": APP, "piece_length": 4_194_304}),
            "a9c895f7d5aa51bfa2863fb20223fd96ca5b3d825669e5094ae9b4f7183dcf30",
        ),
        (
            json!({"url": APP, "tag": "nightly", "application": "ci", "piece_length": 8_388_608}),
            "1e5016839f02267929117375a9059d65deb2bd23a1bd34720dd5205d4a26d4e0",
        ),
        (
            json!({"url": "https://files.example.net"}),
            "141bdaa472436bb374aaa9d21be7d920ef49cbdb2edcea7cbf51f7580b68ca5a",
        ),
        (json!({"url": v9}), "98a4e6916593d257d14ff54fd6858e076846cb65760b0f62408661ec4cd49ffd"),
        (
            json!({"url": "https://files.example.net/get?a=1&b=2"}),
            "19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60",
        ),
        (
            json!({"url": "https://files.example.net/get?a=1&b=2&sig=zz", "filtered_query_params": "sig"}),
            "19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60",
        ),
        (
            json!({"url": "https://files.example.net/get?flag"}),
            "bb22e841b1aa53513a3df99c144b743c7fe84cceafa120c8cb5ce978f2f1f46b",
        ),
        (
            json!({"url": "https://files.example.net/get?expires=5&Expires=6"}),
            "5683ea6be7883af8681782e32e850a2673073db7b8d7a77e3ba633d351da229a",
        ),
        (
            json!({"url": "https://files.example.net/a.txt#part"}),
            "2220e560d8036059046067e473455c1732bc469cf9acb8b3d8c2b1be9416a72e",
        ),
        (
            json!({"url": "https://files.example.net/café.txt"}),
            "946a72c2a660a571bb63d1d6a2da68883c43b8d3a3e88e996fcee55d1642e06a",
        ),
        (json!({"url": BLOB}), "0a8151e50b862dd5d7635363ccc1ccbd9154908d1eae786a677e92eca29a630a"),
        (json!({"url": in_mirror}), "0a8151e50b862dd5d7635363ccc1ccbd9154908d1eae786a677e92eca29a630a"),
        (
            json!({"url": in_mirror, "filtered_query_params": "Expires&Signature"}),
            "e5046b04de0e68ade4fe1c67fec6d485aebfb9acac8418935cc15051176f67eb",
        ),
        (json!({"url": "https://files.example.net/f", "tag": "ab", "application": "c"}), shared_id),
        (json!({"url": "https://files.example.net/f", "tag": "a", "application": "bc"}), shared_id),
        (json!({"url": "https://example.com"}), "457b4328cde278e422c9e243f7bfd1e97f511fec43a80f535cf6b0ef6b086776"),
    ]
}

/// The vectors of which they differ: URL, the manager's and the daemon's id.
const DIFFERING: &[(&str, &str, &str)] = &[
    (
        "https://files.example.net/",
        "accfb9d75b8a8dc164c772bd22dc3eacc0bce3b0ad1de61db7205fb2f8bd839a",
        "141bdaa472436bb374aaa9d21be7d920ef49cbdb2edcea7cbf51f7580b68ca5a",
    ),
    (
        "https://files.example.net/get?b=2&a=1",
        "19f237bfb3a9c6105e522e215b637ad1c8981f5481b85bb998c825139b4a8b60",
        "093120e943a80c3870d245c789853cb6125232759343c703745e03bf12532edb",
    ),
    (
        "https://files.example.net/get?q=a%20b&x=%7E",
        "8a50a4077f153d063799e88cdcffd4803b4512a32cb9392a0b174fa5eab320e8",
        "0b2bffb22611a78c59d248b64e7d8fe8dcca52d2ed8f65ef22903f2159481ae5",
    ),
    (
        "https://files.example.net/get?q=a*b",
        "8c77304d17d80a022adba9b8c9b9c1e6926078885689d21041a6948810cf2d55",
        "ea9ef4bcf86efec7d034436c0919bc712af1d59fe68a6935e5bd715413de5ead",
    ),
    (
        "https://files.example.net/get?k=1&k=2&j=",
        "c5504be9d40926c30482ca3a3cf93f448ff1ded2ebfd259856492eb3f229ace7",
        "af3b37bd5c2da5c984b0b24ed5fb14ae6da99d8b605e12b3fd17b117f2a6f2ea",
    ),
    (
        "https://files.example.net/get?",
        "65c52f5f60c2fa3bf29614a8215353a47ed7593354a7e3ed110c64b8922f771b",
        "ee555b336b0ea29029689418716c968374bc783a47ad782a04ef2465d699d5de",
    ),
    (
        "https://files.example.net/get?a=1;b=2&c=3",
        "77d63d0f26a268245da3cab16f9842c44cd45fac8979c340c749ca01a1031783",
        "a64fdcba2c39bf9ee5f3caafb1a425cba2e45e25b3f47372e2b3ea1acc138938",
    ),
    (
        "https://files.example.net/get?b=1&B=2&a=3",
        "ab55b6d83debad8a10ab442e1976683bb43766232e49481769f358eff5485574",
        "ad75da02f5bbc7ebe2d63ae31e0ca9104302218155d5cd52c702ce4671396678",
    ),
    (
        "https://files.example.net/a/../b/./c.txt",
        "7f98759f131ca3e07cd8349870a177f0f6944cc5c558e0cb84be0655ed5e49ad",
        "a19221b826e45e4b514b883e36972a8b8a34c36bafba29d89ab207ea4260f849",
    ),
    (
        "https://Files.Example.NET:443/pkg/x",
        "20f3a55402133bc30039909628aafe4f43ef022a4966afac2531be72afa593a2",
        "543b03d6ecf5f22ec78858753e6862ff707ac649276fd4f0b52d97fc434dfe14",
    ),
];

#[test]
fn case_35_every_vector_is_reproduced() {
    for (args, id) in agreeing() {
        let [manager, daemon, _] = ids(args.clone());
        assert_eq!((manager.as_deref(), daemon.as_deref()), (Some(id), Some(id)), "{args}");
    }
    for (url, manager, daemon) in DIFFERING {
        let found = ids(json!({"url": url}));
        assert_eq!((found[0].as_deref(), found[1].as_deref()), (Some(*manager), Some(*daemon)), "{url}");
        assert_eq!(primary(json!({"url": url})), *manager, "{url}");
    }
    let [_, _, digest] = ids(json!({"url": format!("{BLOB}?ns=mirror.example.org")}));
    assert_eq!(digest.as_deref(), BLOB.rsplit(':').next());
    let content = |text: &str| primary(json!({"content_for_calculating_task_id": text}));
    assert_eq!(content("release-2026-08"), "06f5e2c46e5d3870d64019b6469e0c3520e1c1c996ba8fd60a517de1b7d27aeb");
    assert_eq!(content(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // What a manager takes a URL for that it cannot parse; a daemon refuses it.
    let [manager, daemon, _] = ids(json!({"url": "https://files.example.net:port/x"}));
    let empty = "335fd665f279a081079a603243547268742c8e8d0af2f06b6a4b09b40c06e243";
    assert_eq!((manager.as_deref(), daemon), (Some(empty), None));
}

#[test]
fn the_literal_ids_of_the_fixtures_are_those_of_their_urls() {
    let hello = "http://127.0.0.1:8099/hello.txt";
    let query = "http://127.0.0.1:8099/hello.txt?b=2&a=1";
    let blob = |digest: &str| registry::blob_url("http://127.0.0.1:8098", digest);
    for (args, id) in [
        (json!({"url": hello}), "a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316"),
        (json!({"url": hello, "tag": "t1"}), "e8eb198faabeb218db9a912a591e88a4098e9d7a94cafb2aee209634a136cefe"),
        (
            json!({"url": hello, "piece_length": 4_194_304}),
            "2b87a498f1031d9e2276c8f3959ed029422f92993d5457b23f4598a3b40ac435",
        ),
        (json!({"url": query}), "1d9436b613085095a1b8601200b503bda6399c27680109803c4069a34949ec30"),
        (json!({"url": blob(LAYER_A)}), "fcaccfc3f53615243cc4e0fb6d5602661c2b4d746fec7885582a7679ea3ca1f2"),
        (json!({"url": blob(LAYER_B)}), "b99d7817b4565d5cedb5c5576eb9a102cdb1b28c7d5a75175c3cbac601045af9"),
        (json!({"url": blob(CONFIG)}), "75a63cc12f792cbca7eb089b6e4964bb6244eaecb1484c393c04eba49c4c6caa"),
    ] {
        assert_eq!(primary(args.clone()), id, "{args}");
    }
    let daemon = "c3356b185a7977aaae82c102c693ad492845824462ff7f9980dcdb68391a77ad";
    assert_eq!(ids(json!({"url": query}))[1].as_deref(), Some(daemon));
    // The tests compute them by themselves.
    assert_eq!(id_of(hello, "", "", None), "a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316");
    assert_eq!(id_of(query, "", "", None), daemon);
    assert_eq!(digest_of(HELLO), "feeb8b8d167d31782acc518145f05ad69d55004846ffc38a4401fb1f526d1e73");
    assert_eq!(crc32fast::hash(HELLO), 2_504_815_813);
}

#[test]
fn the_double_of_the_registry_serves_the_fixture() {
    let image = registry::Image::fixture();
    assert_eq!(image.blobs[0], [CONFIG, LAYER_A, LAYER_B]);
    assert!(image.contents.iter().all(|(digest, bytes)| *digest == digest_of(bytes)));
}
