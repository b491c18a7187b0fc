//! What jobs are read as, and why they are not.

use super::{ask, told};
use crate::cache::model::{Args, ClusterId, FindBy, PinOwner, PreheatArgs};
use crate::cache::wire::asked::{What, change};
use crate::cache::wire::jobs::echo;
use crate::cache::wire::secrets::Secrets;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use std::time::Duration;

/// What a job's arguments are echoed as; without the default list of query parameters, which is long.
#[track_caller]
fn check(body: &str, expected: Expect) {
    let read = match ask(body) {
        Err(fault) => told(&fault),
        Ok(asked) => match asked.what {
            What::SyncPeers => "sync_peers".to_owned(),
            What::Job(args, _) => {
                let mut echo = echo(&args);
                let default = crate::cache::model::DEFAULT_FILTER;
                if echo["filtered_query_params"] == default {
                    echo["filtered_query_params"] = json!("(default)");
                }
                echo.to_string()
            }
        },
    };
    expected.assert_eq(&read);
}

fn told_of(body: &str) -> String {
    told(&ask(body).unwrap_err())
}

/// The refusal of arguments of this type.
#[track_caller]
fn refused(kind: &str, args: &str, expected: Expect) {
    let body = format!(r#"{{"type":"{kind}","args":{args}}}"#);
    expected.assert_eq(&told(&ask(body).unwrap_err()));
}

fn preheat(args: &str) -> (PreheatArgs, Secrets) {
    let body = format!(r#"{{"type":"preheat","args":{args}}}"#);
    match ask(&body).unwrap_or_else(|fault| panic!("{body}: {fault}")).what {
        What::Job(args, secrets) => match *args {
            Args::Preheat(args) => (args, secrets),
            other => panic!("{other:?}"),
        },
        What::SyncPeers => panic!("sync_peers"),
    }
}

fn found_by(args: &str) -> FindBy {
    match ask(format!(r#"{{"type":"get_task","args":{args}}}"#)).unwrap().what {
        What::Job(args, _) => match *args {
            Args::GetTask(args) => args.by,
            other => panic!("{other:?}"),
        },
        What::SyncPeers => panic!("sync_peers"),
    }
}

#[test]
fn a_body_is_one_object() {
    check("", expect![[r#"errors: the body: expected a JSON object: EOF while parsing a value at line 1 column 0"#]]);
    check(
        "[]",
        expect![
            "errors: the body: expected a JSON object: invalid type: sequence, expected an object at line 1 column 2"
        ],
    );
    check(
        "{\"type\":",
        expect![[r#"errors: the body: expected a JSON object: EOF while parsing a value at line 1 column 8"#]],
    );
    for (body, told) in [
        ("[1", "invalid type: sequence, expected an object at line 1 column 1"),
        ("true", "invalid type: boolean `true`, expected an object at line 1 column 4"),
        ("-1", "invalid type: integer `-1`, expected an object at line 1 column 2"),
        ("\"x\"", "invalid type: string \"x\", expected an object at line 1 column 3"),
        ("x", "expected value at line 1 column 1"),
        ("nul", "EOF while parsing a value at line 1 column 3"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{\"a\":}", "expected value at line 1 column 6"),
    ] {
        assert_eq!(told_of(body), format!("errors: the body: expected a JSON object: {told}"));
    }
    check("{}", expect!["errors: type: required"]);
    check(" null x", expect!["errors: type: required"]);
    check(r#"{"type":"nope"}"#, expect!["errors: Unknow type"]);
    check(r#"{"type":7}"#, expect!["errors: type: expected a text, not this number"]);
    check(r#"{"type":"sync_peers"} and whatever follows"#, expect!["sync_peers"]);
    check(r#"{"TYPE":"sync_peers","unknown":[{}],"args":null}"#, expect!["sync_peers"]);
    check(r#"{"type":"gc","Type":"sync_peers"}"#, expect!["sync_peers"]);
    check(r#"{"type":"sync_peers","TYPE":null}"#, expect!["sync_peers"]);
    check(r#"{"type":"\ud800"}"#, expect!["errors: type: expected a text of whole characters"]);
}

#[test]
fn a_field_is_refused_by_its_place_and_its_kind() {
    for (value, kind) in [("{}", "this object"), ("[]", "this list"), ("true", "true or false"), ("0", "this number")] {
        let body = format!(r#"{{"Type":{value}}}"#);
        assert_eq!(told_of(&body), format!("errors: type: expected a text, not {kind}"));
    }
    check(r#"{"type":"gc","args":"x"}"#, expect![["errors: args: expected an object, not a text"]]);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (args, told) in [
        (r#"{"URL":"\ud800"}"#, "url: expected a text of whole characters"),
        (r#"{"url":"u","image":"x"}"#, "image: expected true or false, not a text"),
        (
            r#"{"url":"u","timeout":[]}"#,
            "timeout: expected nanoseconds as a whole number that is not negative, or text such as \"90s\", not this list",
        ),
        (
            r#"{"url":"oci://r/a","image":true,"headers":{"a":1}}"#,
            "headers: expected an object of texts, not this object",
        ),
    ] {
        assert_eq!(told_of(&format!(r#"{{"type":"delete_task","args":{args}}}"#)), format!("errors: args.{told}"));
    }
    let pin = format!(r#"{{"type":"preheat","args":{{"type":"file","url":"u","pin":{deep}}}}}"#);
    assert_eq!(told_of(&pin), "errors: args.pin: expected JSON that is not nested too deeply, not this list");
}

#[test]
fn the_envelope_is_read_and_checked() {
    let asked =
        ask(r#"{"type":"sync_peers","bio":"b","user_id":3,"scheduler_cluster_ids":[1,9,1,99999999999]}"#).unwrap();
    assert_eq!((asked.bio.as_str(), asked.user), ("b", 3));
    assert_eq!(asked.clusters, [ClusterId(1), ClusterId(9), ClusterId(u32::MAX)]);
    let asked = ask(r#"{"type":"sync_peers","user_id":99999999999,"scheduler_cluster_ids":null}"#).unwrap();
    assert!(asked.user == 0 && asked.clusters.is_empty());
    check(
        r#"{"type":"sync_peers","scheduler_cluster_ids":["1"]}"#,
        expect!["errors: scheduler_cluster_ids: expected a list of whole numbers, not this list"],
    );
    check(
        r#"{"type":"sync_peers","user_id":-1}"#,
        expect!["errors: user_id: expected a whole number that is not negative, not this number"],
    );
    check(r#"{"type":"get_task"}"#, expect!["errors: args: required"]);
    check(r#"{"type":"get_task","args":[]}"#, expect!["errors: args: expected an object, not this list"]);
}

#[test]
fn every_key_of_a_type_is_echoed() {
    check(
        r#"{"type":"get_task","args":{"URL":"https://example.com","more":1}}"#,
        expect![[
            r#"{"application":"","concurrent_peer_count":500,"content_for_calculating_task_id":null,"filtered_query_params":"(default)","piece_length":null,"tag":"","task_id":"","timeout":3600000000000,"url":"https://example.com"}"#
        ]],
    );
    check(
        r#"{"type":"delete_task","args":{"taskID":"ab","task_id":null,"timeout":"90s"}}"#,
        expect![[
            r#"{"application":"","content_for_calculating_task_id":null,"filtered_query_params":"(default)","piece_length":null,"tag":"","task_id":"ab","timeout":90000000000,"url":""}"#
        ]],
    );
    check(
        r#"{"type":"delete_task","args":{"image":true,"url":"oci://r.example/a:v1","password":"p","username":"u"}}"#,
        expect![[
            r#"{"application":"","content_for_calculating_task_id":null,"filtered_query_params":"(default)","headers":null,"image":true,"password":"***","piece_length":null,"platform":"","tag":"","task_id":"","timeout":3600000000000,"url":"oci://r.example/a:v1","username":"u"}"#
        ]],
    );
    check(
        r#"{"type":"preheat","args":{"type":"file","url":"http://a/b"}}"#,
        expect![[
            r#"{"application":"","concurrent_peer_count":500,"concurrent_task_count":8,"count":null,"filtered_query_params":"(default)","hdfs":null,"headers":null,"ips":null,"object_storage":null,"password":"","percentage":null,"piece_length":null,"platform":"","scope":"single_seed_peer","tag":"","timeout":3600000000000,"type":"file","url":"http://a/b","urls":null,"username":""}"#
        ]],
    );
    check(
        r#"{"type":"get_image_distribution","args":{"url":"http://r/v2/a/manifests/v1","concurrent_layer_count":3}}"#,
        expect![[
            r#"{"application":"","concurrent_layer_count":3,"concurrent_peer_count":500,"filtered_query_params":"(default)","headers":null,"password":"","piece_length":null,"platform":"","tag":"","timeout":3600000000000,"url":"http://r/v2/a/manifests/v1","username":""}"#
        ]],
    );
    check(
        r#"{"type":"gc","args":{"type":"job"}}"#,
        expect![[r#"{"batch_size":5000,"ttl":604800000000000,"type":"job"}"#]],
    );
}

#[test]
fn what_the_original_does_not_know_is_echoed_where_it_is_given() {
    let digest = "sha256:feeb8b8d167d31782acc518145f05ad69d55004846ffc38a4401fb1f526d1e73";
    let args = format!(
        r#"{{"type":"file","url":"u","revalidate":true,"ttl":"1h","pin":{{"dag":"r7"}},"digest":"{digest}","pieceLength":4194304,"filteredQueryParams":"a&b"}}"#
    );
    let (args, secrets) = preheat(&args);
    assert_eq!((args.pin.clone(), args.ttl), (Some(PinOwner::Dag("r7".to_owned())), Some(Duration::from_secs(3600))));
    assert_eq!((args.naming.piece_length, args.naming.filter.text()), (Some(4_194_304), "a&b"));
    assert!(!secrets.any);
    let echo = echo(&Args::Preheat(args));
    let own = ["revalidate", "ttl", "pin", "digest"].map(|key| echo[key].to_string());
    assert_eq!(own, ["true".to_owned(), "3600000000000".to_owned(), "\"dag:r7\"".to_owned(), format!("\"{digest}\"")]);
}

#[test]
fn snake_case_wins_over_its_alias() {
    let (args, _) = preheat(
        r#"{"type":"file","url":"u","filteredQueryParams":"x","filtered_query_params":"y","piece_length":5000000,"pieceLength":1}"#,
    );
    assert_eq!((args.naming.filter.text(), args.naming.piece_length), ("y", Some(5_000_000)));
}

#[test]
fn pins_are_read_in_all_their_forms() {
    let pin = |written: &str| preheat(&format!(r#"{{"type":"file","url":"u","pin":{written}}}"#)).0.pin;
    let name = |name: &str| Some(PinOwner::Name(name.to_owned()));
    assert_eq!(pin("true"), name("alice"));
    assert_eq!((pin("false"), pin("null")), (None, None));
    assert_eq!(pin(r#""keep""#), name("keep"));
    assert_eq!(pin(r#""dag:7""#), Some(PinOwner::Dag("7".to_owned())));
    assert_eq!(pin(r#""proc:web""#), Some(PinOwner::Proc("web".to_owned())));
    assert_eq!(pin(r#"{"proc":"web"}"#), Some(PinOwner::Proc("web".to_owned())));
    assert_eq!(pin(r#"{"name":"dag:7"}"#), name("dag:7"));
    for owner in [PinOwner::Name("dag:7".to_owned()), PinOwner::Dag("7".to_owned()), PinOwner::Name("x".to_owned())] {
        assert_eq!(super::super::pins::owner(&super::super::pins::text(&owner)), Ok(owner));
    }
    refused(
        "preheat",
        r#"{"type":"file","url":"u","pin":""}"#,
        expect!["errors: args.pin: expected dag:RUN, proc:TASK or a name of 1 to 256 bytes"],
    );
    refused(
        "preheat",
        r#"{"type":"file","url":"u","pin":{"dag":"a","proc":"b"}}"#,
        expect![[
            r#"errors: args.pin: expected true, dag:RUN, proc:TASK, a name, or one of {"dag":RUN}, {"proc":TASK} or {"name":NAME}"#
        ]],
    );
}

#[test]
fn bounds_are_kept() {
    let refused = |args: &str| {
        let body = format!(r#"{{"type":"preheat","args":{{"type":"file","url":"u",{args}}}}}"#);
        told(&ask(&body).err().unwrap_or_else(|| panic!("{args} was taken")))
    };
    let taken = |args: &str| preheat(&format!(r#"{{"type":"file","url":"u",{args}}}"#)).0;
    let ips = |count: usize| format!(r#""ips":{}"#, json!(vec!["192.0.2.1"; count]));
    for length in ["4194303", "67108865", "0"] {
        let why = refused(&format!(r#""piece_length":{length}"#));
        assert_eq!(why, "errors: args.piece_length: expected 4194304 to 67108864 (gte=4194304, lte=67108864)");
    }
    assert_eq!(taken(r#""piece_length":4194304"#).naming.piece_length, Some(4_194_304));
    assert_eq!(taken(r#""piece_length":67108864"#).naming.piece_length, Some(67_108_864));
    for wrong in [
        r#""percentage":0"#,
        r#""percentage":101"#,
        r#""count":0"#,
        r#""count":201"#,
        r#""concurrent_task_count":101"#,
        r#""concurrent_task_count":-1"#,
        r#""concurrent_peer_count":1001"#,
        r#""headers":{"A":1}"#,
        r#""headers":{"A B":"x"}"#,
        r#""headers":{"A":"x\ny"}"#,
        r#""timeout":-1"#,
        r#""timeout":1.5"#,
        r#""timeout":"soon" "#,
        r#""timeout":18446744073709551615"#,
        r#""urls":[""]"#,
        r#""urls":"u""#,
        r#""tag":7"#,
        r#""revalidate":"yes""#,
        r#""digest":"md5:00""#,
        r#""urls":["v"],"digest":"crc32:1""#,
        r#""object_storage":7"#,
        &ips(101),
    ] {
        assert!(refused(wrong).starts_with("errors: args."), "{wrong}: {}", refused(wrong));
    }
    let none = taken(r#""concurrent_task_count":0,"concurrent_peer_count":0,"timeout":0,"scope":"banana","ips":[]"#);
    assert_eq!((none.concurrent_tasks, none.concurrent_peers, none.timeout.as_secs()), (8, 500, 3600));
    assert_eq!(none.ips, None);
    assert_eq!(taken(&ips(100)).ips.map(|ips| ips.len()), Some(100));
    assert_eq!(taken(r#""timeout":"1h""#).timeout, Duration::from_secs(3600));
    assert_eq!(taken(r#""timeout":2000000000"#).timeout, Duration::from_secs(2));
}

#[test]
fn what_names_nothing_is_told_apart_from_what_breaks_a_rule() {
    refused("preheat", r#"{"url":"u"}"#, expect!["errors: args.type: required"]);
    refused("preheat", r#"{"type":"dir"}"#, expect!["errors: args.type: expected image or file (oneof)"]);
    refused("preheat", r#"{"type":"file"}"#, expect!["message: args.url: a preheat needs url or urls"]);
    refused(
        "preheat",
        r#"{"type":"file","count":0}"#,
        expect!["errors: args.count: expected 1 to 200 (gte=1, lte=200)"],
    );
    refused(
        "preheat",
        r#"{"type":"image","url":"http://127.0.0.1:8098/team/app:v1"}"#,
        expect![[
            r#"message: parsing "http://127.0.0.1:8098/team/app:v1" failed: expected SCHEME://HOST/v2/REPOSITORY/manifests/REFERENCE or oci://HOST/REPOSITORY:TAG"#
        ]],
    );
    refused(
        "preheat",
        r#"{"type":"image","url":"oci://r/a:1","platform":"linux"}"#,
        expect![[
            r#"message: parsing platform "linux" failed: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, or all"#
        ]],
    );
    refused(
        "preheat",
        r#"{"type":"file","url":"s3://b/k","object_storage":{"region":"x"}}"#,
        expect!["message: args.object_storage: only http and https origins are fetched from here"],
    );
    refused("get_image_distribution", "{}", expect!["errors: args.url: required"]);
    refused(
        "get_task",
        "{}",
        expect!["errors: args: one of task_id, content_for_calculating_task_id and url is required"],
    );
    refused("delete_task", r#"{"image":true,"task_id":"ab"}"#, expect!["errors: args.url: required with image"]);
    refused("gc", r#"{"type":"cache"}"#, expect!["errors: args.type: expected job or audit (oneof)"]);
}

#[test]
fn the_first_selector_counts() {
    let all = r#"{"url":"http://a/b","content_for_calculating_task_id":"c","task_id":"abcdef0123"}"#;
    assert!(matches!(found_by(all), FindBy::Url(identity) if identity.url == "http://a/b"));
    let two = r#"{"content_for_calculating_task_id":"c","task_id":"abcdef0123"}"#;
    assert_eq!(found_by(two), FindBy::Content("c".to_owned()));
    assert_eq!(found_by(r#"{"content_for_calculating_task_id":""}"#), FindBy::Content(String::new()));
    assert!(matches!(found_by(r#"{"task_id":"abcdef0123"}"#), FindBy::Id(Some(id)) if id.to_string() == "abcdef0123"));
    assert_eq!(found_by(r#"{"task_id":"no id"}"#), FindBy::Id(None));
}

#[test]
fn images_are_named_in_either_way_and_many_at_once() {
    let (args, _) = preheat(
        r#"{"type":"image","urls":["oci://plain.example/a:v1","oci://r.example/b"],"url":"https://r.example/v2/c/d/manifests/v2"}"#,
    );
    let manifests: Vec<String> = args.images.iter().map(|image| image.manifest(&image.reference)).collect();
    assert_eq!(
        manifests,
        [
            "http://plain.example/v2/a/manifests/v1",
            "https://r.example/v2/b/manifests/latest",
            "https://r.example/v2/c/d/manifests/v2"
        ]
    );
}

#[test]
fn secrets_are_masked_where_they_are_shown_and_whole_where_they_are_used() {
    let (args, secrets) = preheat(
        r#"{"type":"image","url":"oci://r/a","username":"u","password":"pw","headers":{"Authorization":"Bearer z","X-Api-Key":"k","Accept":"x","range":"bytes=0-1","Cookie":""}}"#,
    );
    let shown = json!(args.headers);
    assert_eq!(shown, json!({"Authorization":"***","X-Api-Key":"***","Accept":"x","range":"bytes=0-1","Cookie":""}));
    assert_eq!((args.username.as_str(), args.password.as_str()), ("u", "***"));
    assert!(secrets.any && secrets.headers["authorization"] == "Bearer z" && secrets.headers["x-api-key"] == "k");
    assert!(!secrets.headers.contains_key("range") && secrets.headers["accept"] == "x");
    assert_eq!(
        secrets.account.map(|(name, secret)| (name, secret.expose().to_owned())),
        Some(("u".to_owned(), "pw".to_owned()))
    );
    let (_, named) = preheat(r#"{"type":"image","url":"oci://r/a","username":"u"}"#);
    assert!(named.any, "what somebody gets by his name is his");
    let (_, harmless) = preheat(r#"{"type":"file","url":"u","headers":{"Accept":"x"}}"#);
    assert!(!harmless.any && harmless.account.is_none());
    refused(
        "preheat",
        r#"{"type":"file","url":"u","password":{"deep":"secret"}}"#,
        expect!["errors: args.password: expected a text, not this object"],
    );
}

#[test]
fn the_body_of_another_registry_is_taken() {
    let body = r#"{"type":"preheat","args":{"type":"image","url":"https://core.example/v2/library/app/manifests/v1","tag":"","filtered_query_params":"","headers":{"Authorization":"Bearer z"},"scope":"","concurrent_count":0,"timeout":0},"scheduler_cluster_ids":null}"#;
    let asked = ask(body).unwrap();
    assert!(asked.clusters.is_empty());
    let What::Job(args, secrets) = asked.what else { panic!("no job") };
    let echo: Value = echo(&args);
    assert_eq!((&echo["scope"], &echo["timeout"]), (&json!("single_seed_peer"), &json!(3_600_000_000_000_u64)));
    assert_eq!(echo["headers"], json!({"Authorization":"***"}));
    assert!(secrets.any);
}

#[test]
fn a_change_of_nothing_is_none() {
    let bio = |body: &str| change(body.as_bytes()).map(|change| (change.bio, change.user));
    assert_eq!(bio(r#"{"bio":"x","user_id":2,"state":"SUCCESS"}"#), Ok((Some("x".to_owned()), Some(2))));
    assert_eq!(bio(r#"{"bio":"","user_id":0}"#), Ok((None, None)));
    assert_eq!(bio("{}"), Ok((None, None)));
    assert!(bio("").is_err() && bio(r#"{"bio":7}"#).is_err());
}
