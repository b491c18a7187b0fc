//! What becomes of a body: projects, tasks, bulks.

use super::*;
use crate::tracker::model::hash_of;

fn submit(body: &str) -> Result<Wanted, Fault> {
    serde_json::from_str::<Submit>(body).expect("a body that can be read").check()
}

#[test]
fn a_task_has_zeros_where_nothing_is_said() {
    let wanted = submit(r#"{"project":3,"recipe":"r"}"#).unwrap();
    assert_eq!((wanted.project, wanted.delay), (3, Duration::ZERO));
    let expected = NewTask {
        recipe: "r".into(),
        priority: 0,
        max_retries: 0,
        max_assign: 0,
        verification_count: 1,
        hash: 0,
        not_before: None,
    };
    assert_eq!(wanted.task, expected);
    let nulls = r#"{"project":3,"recipe":"r","priority":null,"max_assign_time":null,"hash_u64":null,"hash64":null,
        "verification_count":null,"max_retries":null,"unique_string":null,"unique_str":null,"not_before":null,"delay":null}"#;
    assert_eq!(submit(nulls).unwrap().task, expected);
}

#[test]
fn rules_for_tasks() {
    for broken in [
        "{}",
        r#"{"recipe":"r"}"#,
        r#"{"project":0,"recipe":"r"}"#,
        r#"{"project":1}"#,
        r#"{"project":1,"recipe":""}"#,
        r#"{"project":1,"recipe":"r","max_retries":-1}"#,
        r#"{"project":1,"recipe":"r","hash_u64":5,"unique_string":"x"}"#,
        r#"{"project":1,"recipe":"r","delay":-1}"#,
        r#"{"project":1,"recipe":"r","delay":1e300}"#,
        r#"{"project":1,"recipe":"r","not_before":-5}"#,
        r#"{"project":1,"recipe":"r","not_before":1e300}"#,
    ] {
        assert_eq!(submit(broken), Err(Fault::Invalid), "{broken}");
    }
    let held = |seconds: i64| submit(&format!(r#"{{"project":1,"recipe":"r","max_assign_time":{seconds}}}"#));
    assert_eq!(held(2_147_483_647).unwrap().task.max_assign, i32::MAX);
    assert_eq!(held(-1).unwrap().task.max_assign, -1);
    assert_eq!(held(2_147_483_648), Err(Fault::TooLong));
    let counted = submit(r#"{"project":1,"recipe":"r","verification_count":-3,"priority":-4}"#).unwrap();
    assert_eq!((counted.task.verification_count, counted.task.priority), (-3, -4));
}

#[test]
fn hashes_have_four_names() {
    let hash = |rest: &str| submit(&format!(r#"{{"project":1,"recipe":"r"{rest}}}"#)).map(|wanted| wanted.task.hash);
    assert_eq!(hash(r#","hash_u64":5"#), Ok(5));
    assert_eq!(hash(r#","hash64":6"#), Ok(6));
    assert_eq!(hash(r#","hash_u64":5,"hash64":6"#), Ok(5));
    assert_eq!(hash(r#","hash_u64":0,"hash64":6"#), Ok(6));
    assert_eq!(hash(r#","unique_string":"a""#), Ok(hash_of("a")));
    assert_eq!(hash(r#","hash64":6,"unique_string":"a""#), Ok(hash_of("a")), "the text wins");
    assert_eq!(hash(r#","hash_u64":0,"unique_string":"a""#), Ok(hash_of("a")));
    assert_eq!(hash(r#","hash_u64":5,"unique_string":"""#), Ok(5));
    assert_eq!(hash(r#","unique_str":"a""#), Ok(hash_of("a")));
    assert_eq!(hash(r#","hash_u64":5,"unique_str":"a""#), Ok(5));
    assert_eq!(hash(r#","hash64":6,"unique_str":"a""#), Ok(6));
    assert_eq!(hash(r#","unique_string":"b","unique_str":"a""#), Ok(hash_of("b")));
    assert_eq!(hash(r#","hash_u64":5,"unique_string":"a""#), Err(Fault::Invalid));
}

#[test]
fn a_task_waits_for_the_later_of_its_times() {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let at = |rest: &str| {
        let wanted = submit(&format!(r#"{{"project":1,"recipe":"r"{rest}}}"#)).unwrap();
        wanted.at(now).not_before.map(|then| then.timestamp_millis())
    };
    assert_eq!(at(""), None);
    assert_eq!(at(r#","delay":1.5"#), Some(1_700_000_001_500));
    assert_eq!(at(r#","not_before":1700000100"#), Some(1_700_000_100_000));
    assert_eq!(at(r#","not_before":1700000100,"delay":5"#), Some(1_700_000_100_000));
    assert_eq!(at(r#","not_before":1700000003,"delay":5"#), Some(1_700_000_005_000));
}

#[test]
fn a_bulk_is_a_list_or_one() {
    let bulk = |requests: &str| serde_json::from_str::<Bulk>(&format!(r#"{{"Requests":{requests}}}"#)).ok();
    let good = r#"{"project":1,"recipe":"r"}"#;
    let other = r#"{"project":2,"recipe":"r"}"#;
    assert_eq!(bulk(good).unwrap().requests.tasks.len(), 1);
    assert_eq!(bulk(&format!("[{good},{good}]")).unwrap().requests.tasks.len(), 2);
    assert!(!bulk(&format!("[{good},{good}]")).unwrap().requests.differing);
    assert!(bulk(&format!("[{good},{other}]")).unwrap().requests.differing);
    for empty in ["[]", "null"] {
        let requests = bulk(empty).unwrap().requests;
        assert!(requests.tasks.is_empty() && requests.fault.is_none());
    }
    let broken = bulk(&format!("[{good},null,{good}]")).unwrap().requests;
    assert_eq!((broken.fault, broken.tasks.len()), (Some(Fault::Invalid), 0));
    for unreadable in ["1", "\"x\"", "[1]", r#"[{"priority":"x"}]"#] {
        assert!(bulk(unreadable).is_none(), "{unreadable}");
    }
}

#[test]
fn rules_for_projects() {
    let valid = |body: &str| serde_json::from_str::<ProjectBody>(body).unwrap().is_valid();
    assert!(valid(r#"{"name":"a"}"#));
    assert!(valid(r#"{"name":"a","assign_burst":1,"submit_burst":2.5,"assign_rate":-1}"#));
    for broken in [
        "{}",
        r#"{"name":""}"#,
        r#"{"name":"a","priority":-1}"#,
        r#"{"name":"a","public":true,"hidden":true}"#,
        r#"{"name":"a","assign_burst":0.5}"#,
        r#"{"name":"a","submit_burst":-1}"#,
    ] {
        assert!(!valid(broken), "{broken}");
    }
}

#[test]
fn rates_of_nothing_and_of_everything_are_no_limits() {
    let definition = |body: &str| serde_json::from_str::<ProjectBody>(body).unwrap().definition();
    let unlimited = definition(r#"{"name":"a","submit_rate":1.7976931348623157e+308}"#).unwrap();
    assert_eq!((unlimited.assign, unlimited.submit), (Limit::default(), Limit::default()));
    assert_eq!(unlimited.chain, None);
    let limited = definition(
        r#"{"name":"a","assign_rate":0.5,"assign_burst":3,"worker_assign_rate":2,"chain":4,"priority":2147483647}"#,
    );
    let limited = limited.unwrap();
    assert_eq!(limited.assign, Limit { rate: Rate::new(0.5), burst: 3.0, per_worker: Rate::new(2.0) });
    assert_eq!((limited.chain, limited.priority), (Some(ProjectId(4)), i32::MAX));
    let elsewhere = definition(r#"{"name":"a","chain":9999999999}"#).unwrap();
    assert_eq!(elsewhere.chain, Some(ProjectId(0)), "which nothing is");
    assert_eq!(definition(r#"{"name":"a","priority":2147483648}"#), Err(OutOfRange(2_147_483_648)));
}

#[test]
fn texts_that_stay_in_memory_have_an_end() {
    let body = |motd: usize| ProjectBody { name: "p".into(), motd: "x".repeat(motd), ..ProjectBody::default() };
    assert_eq!(body(TEXT_MAX - 1).fits(), Ok(()));
    let refused = body(TEXT_MAX).fits().unwrap_err().to_string();
    assert_eq!(refused, "name, clone_url, git_repo, version and motd together: expected at most 65536 bytes");
    assert_eq!(at_most(3, "alias", 3), Ok(()));
    assert_eq!(at_most(3, "alias", 4).unwrap_err().to_string(), "alias: expected at most 3 bytes");
}
