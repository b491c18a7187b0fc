//! Cases 60–66: removing, and saying so only when it is done.

use super::*;
use crate::cast::cached;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::unix::fs::MetadataExt;

#[test]
fn case_60_a_deleted_file_is_gone() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({}));
    let id = id_of(&url, "", "", None);
    assert!(cache.file(&id).exists());
    let outcome = cache.delete(json!({"url": url}));
    assert_eq!(outcome["failure_tasks"], json!([]), "{outcome}");
    let row = json!({"hostname": cast::HOSTNAME, "ip": cast::IP, "host_type": "super"});
    assert_eq!(list(&outcome["success_tasks"]).len(), 1, "{outcome}");
    for (key, value) in row.as_object().expect("an object") {
        assert_eq!(outcome["success_tasks"][0][key], *value, "{outcome}");
    }
    assert!(!cache.file(&id).exists());
    cache.absent(json!({"url": url}));
    cache.preheat(&url, json!({}));
    assert_eq!(origin.server().bodies("/hello.txt"), 2);
}

#[test]
fn case_61_each_selector_removes_exactly_what_it_names() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let url = origin.hello();
    let sized = json!({"url": url, "tag": "sized", "piece_length": FULL_PIECE});
    cache.preheat(&url, json!({}));
    cache.preheat(&url, json!({"tag": "sized"}));
    cache.preheat(&url, json!({"tag": "sized", "piece_length": FULL_PIECE}));
    let named = cached(&url).header("X-Dragonfly-Content-For-Calculating-Task-ID", "named");
    cache.proxy().send(named).expect(200);
    cache.arrives(json!({"content_for_calculating_task_id": "named"}));
    let plain = json!({"task_id": id_of(&url, "", "", None)});
    let content = json!({"content_for_calculating_task_id": "named"});
    let mut left = vec![plain.clone(), json!({"url": url, "tag": "sized"}), content.clone(), sized.clone()];
    for gone in [plain, content, sized] {
        let outcome = cache.delete(gone.clone());
        assert_eq!(list(&outcome["success_tasks"]).len(), 1, "{gone}: {outcome}");
        left.retain(|other| *other != gone);
        cache.absent(gone);
        for other in &left {
            cache.present(other.clone());
        }
    }
}

#[test]
fn case_62_there_is_nothing_to_delete_and_that_is_well() {
    let cache = shared();
    for args in [json!({"url": "https://example.com/unknown"}), json!({"task_id": "ab".repeat(32)})] {
        let outcome = cache.delete(args);
        assert_eq!((&outcome["success_tasks"], &outcome["failure_tasks"]), (&json!([]), &json!([])), "{outcome}");
    }
}

#[test]
fn case_63_a_running_download_is_cancelled() {
    let (cache, origin) = (shared(), Origin::start());
    let (url, _gate) = origin.slow();
    let job = cache.job("preheat", json!({"type": "file", "url": url}));
    cache.soon(&url);
    let outcome = cache.delete(json!({"url": url}));
    assert_eq!(outcome["failure_tasks"], json!([]), "{outcome}");
    let job = cache.poll(&job);
    let why = format!("{} {}", failed(&job), outcome_text(&job)).to_lowercase();
    assert!(["cancel", "delet", "remov"].iter().any(|word| why.contains(word)), "{why}");
    assert!(!cache.file(&id_of(&url, "", "", None)).exists());
    cache.absent(json!({"url": url}));
}

/// All that came of a job, as text.
fn outcome_text(job: &Value) -> String {
    part(job)["results"].to_string()
}

/// A mount on a directory of the test's own; unmounted when dropped, also by a failing test.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH); // unmounted already by the test itself
    }
}

#[test]
fn case_64_what_cannot_be_deleted_is_said() {
    disk::own_mounts();
    let (cache, origin) = (Cache::start(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({}));
    let id = id_of(&url, "", "", None);
    let nothing = None::<&str>;
    let directory = cache.daemon.data_dir().join("cache/content/tasks");
    mount(Some(&directory), &directory, nothing, MsFlags::MS_BIND, nothing).expect("a mount");
    let mounted = Mounted(directory.clone());
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(nothing, &directory, nothing, read_only, nothing).expect("read-only");

    let outcome = cache.delete(json!({"url": url}));
    assert_eq!(outcome["success_tasks"], json!([]), "{outcome}");
    let failures = list(&outcome["failure_tasks"]);
    assert_eq!(failures.len(), 1, "{outcome}");
    assert!(text(&failures[0]["description"]).contains(&id), "{outcome}");
    for (key, value) in [("hostname", cast::HOSTNAME), ("ip", cast::IP), ("host_type", "super")] {
        assert_eq!(failures[0][key], value, "{outcome}");
    }
    assert!(cache.file(&id).exists());

    drop(mounted);
    cache.delete(json!({"task_id": id}));
    until("it is gone in the end", SOON, || (!cache.file(&id).exists()).then_some(()));
    cache.absent(json!({"url": url}));
}

#[test]
fn case_65_a_cluster_may_be_named_if_there_is_one() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({}));
    let body = |cluster: u64| json!({"type": "delete_task", "args": {"url": url}, "scheduler_cluster_ids": [cluster]});
    refused_so(cache.post(&body(9)), 404, "scheduler cluster id 9: record not found");
    cache.present(json!({"url": url}));
    let job = cache.poll(&cache.post(&body(1)).expect(200).json());
    assert_eq!(list(&succeeded(&job)["success_tasks"]).len(), 1, "{job}");
    cache.absent(json!({"url": url}));
}

#[test]
fn case_66_a_link_outlives_what_it_links_to() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let url = origin.hello();
    let out = cache.daemon.path("linked");
    let request = cached(&url)
        .header("X-Dragonfly-Output-Path", out.to_str().expect("text"))
        .header("X-Dragonfly-Force-Hard-Link", "true");
    cache.proxy().send(request).expect(200);
    let id = id_of(&url, "", "", None);
    until("it is placed", SOON, || out.exists().then_some(()));
    let inode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").ino();
    assert_eq!(inode(&out), inode(&cache.file(&id)), "no hard link");
    cache.delete(json!({"url": url}));
    assert!(!cache.file(&id).exists());
    assert_eq!(std::fs::read(&out).expect("the link"), HELLO);
}
