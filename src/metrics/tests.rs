//! What a scrape shows.

use super::Metrics;
use std::time::Duration;

fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim)
}

#[test]
fn what_happened_is_in_the_text() {
    let metrics = Metrics::new("1.2.3");
    metrics.request("proc", 200, Duration::from_millis(3));
    metrics.request("proc", 200, Duration::from_millis(30));
    metrics.request("proc", 404, Duration::ZERO);
    metrics.connection_opened();
    metrics.connection_opened();
    metrics.connection_closed();
    metrics.connection_refused("peer");
    metrics.committed(7, Duration::from_millis(2));
    metrics.run_started("proc");
    metrics.run_ended("proc", "signalled");
    metrics.runs_live("proc", 4);
    metrics.cache_hit();
    metrics.cache_miss();
    metrics.cache_fetched(1000);
    metrics.cache_sent(10);
    metrics.cache_evicted(2);
    metrics.cache_damaged(3);
    metrics.cache_job("preheat", "success");
    metrics.cache_holds(5, 6000);
    metrics.hub_tags(7, 2);
    metrics.hub_accounts(3, 1);
    metrics.hub_job("pull", "failed");
    metrics.hub_sent(20);
    metrics.hub_pulled(30);
    let text = metrics.clone().text();
    let value = |start| line(&text, start);
    assert_eq!(value("hostler_build_info{version=\"1.2.3\"}"), Some("1"));
    assert_eq!(value("hostler_http_requests_total{family=\"proc\",status=\"200\"}"), Some("2"));
    assert_eq!(value("hostler_http_requests_total{family=\"proc\",status=\"404\"}"), Some("1"));
    assert_eq!(value("hostler_http_request_seconds_bucket{le=\"0.005\",family=\"proc\"}"), Some("2"));
    assert_eq!(value("hostler_http_request_seconds_count{family=\"proc\"}"), Some("3"));
    assert_eq!(value("hostler_http_connections "), Some("1"));
    assert_eq!(value("hostler_http_connections_refused_total{reason=\"peer\"}"), Some("1"));
    assert_eq!(value("hostler_store_operations_total"), Some("7"));
    assert_eq!(value("hostler_runs_started_total{room=\"proc\"}"), Some("1"));
    assert_eq!(value("hostler_runs_ended_total{room=\"proc\",outcome=\"signalled\"}"), Some("1"));
    assert_eq!(value("hostler_runs_live{room=\"proc\"}"), Some("4"));
    assert_eq!(value("hostler_cache_hits_total"), Some("1"));
    assert_eq!(value("hostler_cache_misses_total"), Some("1"));
    assert_eq!(value("hostler_cache_origin_bytes_total"), Some("1000"));
    assert_eq!(value("hostler_cache_client_bytes_total"), Some("10"));
    assert_eq!(value("hostler_cache_evictions_total"), Some("2"));
    assert_eq!(value("hostler_cache_damaged_pieces_total"), Some("3"));
    assert_eq!(value("hostler_cache_jobs_total{type=\"preheat\",state=\"success\"}"), Some("1"));
    assert_eq!(value("hostler_cache_tasks "), Some("5"));
    assert_eq!(value("hostler_cache_bytes "), Some("6000"));
    assert_eq!(value("hostler_hub_tags{status=\"normal\"}"), Some("7"));
    assert_eq!(value("hostler_hub_tags{status=\"abnormal\"}"), Some("2"));
    assert_eq!(value("hostler_hub_accounts{status=\"online\"}"), Some("3"));
    assert_eq!(value("hostler_hub_jobs_total{type=\"pull\",state=\"failed\"}"), Some("1"));
    assert_eq!(value("hostler_hub_sent_bytes_total"), Some("20"));
    assert_eq!(value("hostler_hub_pulled_bytes_total"), Some("30"));
    assert!(text.ends_with("# EOF\n"), "an exposition ends with its mark");
}
