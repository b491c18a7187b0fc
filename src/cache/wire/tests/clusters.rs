//! Clusters, in and out.

use super::{at, told};
use crate::cache::model::{Cluster, ClusterId, Limits, Scopes};
use crate::cache::wire::clusters::{change, cluster, new, row};
use expect_test::{Expect, expect};

#[track_caller]
fn refused(body: &str, expected: Expect) {
    expected.assert_eq(&told(&new(body.as_bytes()).unwrap_err()));
}

fn first() -> Cluster {
    Cluster {
        id: ClusterId::LOCAL,
        name: "cluster-1".to_owned(),
        bio: String::new(),
        limits: Limits {
            candidate_parents: Some(3),
            filter_parents: Some(15),
            job_rate: Some(10),
            seed_load: Some(2000),
            peer_load: Some(200),
            ..Limits::default()
        },
        scopes: Scopes::default(),
        is_default: true,
        created: at(0),
        updated: at(1),
    }
}

#[test]
fn the_three_objects_are_required_and_may_be_empty() {
    let configs = r#""scheduler_cluster_config":{},"seed_peer_cluster_config":{},"peer_cluster_config":{}"#;
    refused(r#"{"name":"a"}"#, expect!["errors: scheduler_cluster_config: required"]);
    refused(
        r#"{"name":"a","scheduler_cluster_config":{},"seed_peer_cluster_config":{}}"#,
        expect!["errors: peer_cluster_config: required"],
    );
    refused(&format!("{{{configs}}}"), expect!["errors: name: required"]);
    let made = new(format!(r#"{{"name":"a",{configs},"scopes":{{"cidrs":["10.0.0.0/8"]}}}}"#).as_bytes()).unwrap();
    assert_eq!((made.name.as_str(), made.limits, made.is_default), ("a", Limits::default(), false));
    assert_eq!(made.scopes.cidrs, Some(vec!["10.0.0.0/8".to_owned()]));
}

#[test]
fn limits_have_bounds_and_zero_is_not_set() {
    let read = |body: &str| change(body.as_bytes()).map(|change| change.limits);
    let of = |limits: Limits| Ok(limits);
    let schedulers = |inside: &str| read(&format!(r#"{{"scheduler_cluster_config":{{{inside}}}}}"#));
    assert_eq!(schedulers(r#""job_rate_limit":0"#), of(Limits::default()));
    assert_eq!(
        schedulers(r#""job_rate_limit":1000000"#),
        of(Limits { job_rate: Some(1_000_000), ..Limits::default() })
    );
    for wrong in [
        r#""candidate_parent_limit":21"#,
        r#""filter_parent_limit":9"#,
        r#""filter_parent_limit":1001"#,
        r#""job_rate_limit":1000001"#,
        r#""job_rate_limit":-1"#,
        r#""job_rate_limit":"10""#,
    ] {
        assert!(schedulers(wrong).is_err(), "{wrong}");
    }
    assert!(read(r#"{"peer_cluster_config":{"load_limit":2001}}"#).is_err());
    assert!(read(r#"{"seed_peer_cluster_config":{"load_limit":50001}}"#).is_err());
    let blocks = r#"{"peer_cluster_config":{"block_list":{"task":{"download":{"urls":["x"]}}}}}"#;
    assert_eq!(read(blocks).unwrap().peer_blocks.map(|blocks| blocks.len()), Some(1));
    assert!(read(r#"{"peer_cluster_config":{"block_list":{"else":{}}}}"#).is_err());
}

#[test]
fn what_is_not_given_stays() {
    let none = change(b"{}").unwrap();
    assert_eq!((none.name, none.bio, none.scopes, none.is_default), (None, None, None, None));
    assert_eq!(change(br#"{"name":"","is_default":false}"#).unwrap().is_default, Some(false));
}

#[test]
fn clusters_have_the_originals_keys() {
    expect![[r#"{"bio":"","created_at":"2026-03-02T10:00:00.104Z","id":1,"is_default":true,"name":"cluster-1","peer_cluster_config":{"block_list":null,"load_limit":200},"scheduler_cluster_config":{"candidate_parent_limit":3,"filter_parent_limit":15,"job_rate_limit":10},"scheduler_cluster_id":1,"scopes":{},"seed_peer_cluster_config":{"block_list":null,"load_limit":2000},"seed_peer_cluster_id":1,"updated_at":"2026-03-02T10:00:01.104Z"}"#]]
    .assert_eq(&cluster(&first()).to_string());
    expect![[r#"{"bio":"","client_config":{"block_list":null,"load_limit":200},"config":{"candidate_parent_limit":3,"filter_parent_limit":15,"job_rate_limit":10},"created_at":"2026-03-02T10:00:00.104Z","id":1,"is_default":true,"is_del":0,"jobs":null,"name":"cluster-1","peers":null,"schedulers":null,"scopes":{},"seed_client_config":{"block_list":null,"load_limit":2000},"seed_peer_clusters":null,"updated_at":"2026-03-02T10:00:01.104Z"}"#]]
    .assert_eq(&row(&first()).to_string());
}
