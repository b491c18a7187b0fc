//! Cases 46–52 and 55–59: from an image to its blobs, with whatever a registry wants to see first.

use super::*;
use crate::registry::{basic, blob_url, manifest_url};

/// A preheat of linux/amd64 of the fixture.
pub fn amd64(manifest: &str, more: Value) -> Value {
    plus(json!({"type": "image", "url": manifest, "platform": "linux/amd64"}), more)
}

/// The URLs of the fixture's config and layers.
pub fn blobs(base: &str) -> [String; 3] {
    [CONFIG, LAYER_A, LAYER_B].map(|digest| blob_url(base, digest))
}

/// What a distribution is answered with.
#[track_caller]
pub fn distribution(cache: &Cache, manifest: &str, more: Value) -> Value {
    let args = plus(json!({"url": manifest, "platform": "linux/amd64"}), more);
    cache.post(&json!({"type": "get_image_distribution", "args": args})).expect(200).json()
}

/// The URLs of the blobs that this host has.
#[track_caller]
pub fn cached_layers(answer: &Value) -> Vec<String> {
    let peers = list(&answer["peers"]);
    let Some(peer) = peers.first() else { return Vec::new() };
    assert_eq!((peers.len(), &peer["scheduler_cluster_id"]), (1, &json!(1)), "{answer}");
    assert_eq!((&peer["ip"], &peer["hostname"]), (&json!(cast::IP), &json!(cast::HOSTNAME)), "{answer}");
    assert_eq!(peer["host_type"], "super", "{answer}");
    assert_eq!(peer["cached_layers"], peer["layers"], "{answer}");
    column(&peer["layers"], "url").into_iter().map(str::to_owned).collect()
}

/// Case 46, whichever registry is at `base`.
#[track_caller]
pub fn preheats_three_blobs(cache: &Cache, base: &str) {
    let job = cache.run("preheat", amd64(&manifest_url(base), json!({})));
    let blobs = blobs(base);
    assert_eq!(warmed(&job), blobs.each_ref().map(String::as_str), "{job}");
    for (url, digest) in blobs.iter().zip([CONFIG, LAYER_A, LAYER_B]) {
        assert_eq!(digest_of(&cache.bytes(&id_of(url, "", "", None))), digest);
        cache.present(json!({"url": url}));
    }
}

/// Cases 55–57, whichever registry is at `base`.
#[track_caller]
pub fn tells_which_blobs_there_are(cache: &Cache, base: &str) {
    let manifest = manifest_url(base);
    let [config, layer_a, layer_b] = blobs(base);
    let empty = distribution(cache, &manifest, json!({}));
    assert_eq!(keys(&empty), ["image", "peers"], "{empty}");
    assert_eq!(keys(&empty["image"]), ["layers"], "{empty}");
    assert_eq!(column(&empty["image"]["layers"], "url"), [config.as_str(), &layer_a, &layer_b], "{empty}");
    assert_eq!(empty["peers"], json!([]), "{empty}");

    cache.preheat(&layer_a, json!({}));
    assert_eq!(cached_layers(&distribution(cache, &manifest, json!({}))), [layer_a.as_str()]);

    warmed(&cache.run("preheat", amd64(&manifest, json!({}))));
    assert_eq!(cached_layers(&distribution(cache, &manifest, json!({}))), [&*config, &layer_a, &layer_b]);
    cache.delete(json!({"url": layer_a}));
    assert_eq!(cached_layers(&distribution(cache, &manifest, json!({}))), [&*config, &layer_b]);
    // Another tag is another task, but a blob is what its digest says: whoever asks for that one is served from this.
    let tagged = distribution(cache, &manifest, json!({"tag": "other"}));
    assert_eq!(cached_layers(&tagged), [&*config, &layer_b]);
}

#[test]
fn case_46_an_image_is_fetched() {
    let (cache, registry) = (shared(), Registry::start(Access::Open));
    preheats_three_blobs(&cache, &registry.base());
    for seen in registry.blobs_asked() {
        assert_eq!(seen.ask.header("authorization"), None, "{seen:?}");
    }
}

#[test]
fn case_47_what_is_no_manifest_is_no_image() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Open));
    let url = format!("{}/team/app:v1", registry.base());
    let said = refused(cache.post(&json!({"type": "preheat", "args": amd64(&url, json!({}))})), 422);
    assert!(said.contains("pars"), "{said}");
    assert_eq!(cache.client().get("/oapi/v1/jobs").expect(200).json(), json!([]));
    assert_eq!(registry.server().seen().len(), 0);
}

#[test]
fn case_48_there_may_be_nothing_for_a_platform() {
    let (cache, registry) = (shared(), Registry::start(Access::Open));
    let args = plus(amd64(&registry.manifest(), json!({})), json!({"platform": "windows/amd64"}));
    let answer = cache.post(&json!({"type": "preheat", "args": args}));
    assert!(answer.status >= 400, "{}", answer.text());
    let said = text(&answer.json()["message"]).to_lowercase();
    assert!(said.contains("no matching manifest") && said.contains("windows/amd64"), "{said}");
    assert_eq!(registry.blobs_asked().len(), 0);
}

#[test]
fn case_49_a_bearer_is_fetched_and_carried_to_the_blobs() {
    for account in [false, true] {
        // One that has no blob of these yet: what is there under the same digest is taken from there.
        let cache = Cache::start();
        let registry = Registry::start(Access::Bearer { account });
        let mut args = amd64(&registry.manifest(), json!({}));
        if account {
            args = plus(args, json!({"username": ACCOUNT.0, "password": ACCOUNT.1}));
        }
        warmed(&cache.run("preheat", args));
        let tokens = registry.server().seen_at("/token");
        assert!(!tokens.is_empty());
        for seen in &tokens {
            assert_eq!(seen.ask.parameter("service").as_deref(), Some("registry.test"), "{seen:?}");
            assert_eq!(seen.ask.parameter("scope").as_deref(), Some("repository:team/app:pull"), "{seen:?}");
            let expected = account.then(basic);
            assert_eq!(seen.ask.header("authorization").map(str::to_owned), expected, "{seen:?}");
            assert_eq!(seen.ask.parameter("account").is_some(), account, "{seen:?}");
        }
        let blobs = registry.blobs_asked();
        assert_eq!(blobs.iter().filter(|seen| seen.status == 200).count(), 3);
        for seen in &blobs {
            let shown = seen.ask.header("authorization").unwrap_or_default();
            assert!(shown.starts_with("Bearer given-"), "{seen:?}");
        }
    }
}

#[test]
fn case_50_a_given_authorization_is_used_for_everything() {
    let (cache, registry) = (shared(), Registry::start(Access::Exactly("Bearer from-outside")));
    let headers = json!({"headers": {"Authorization": "Bearer from-outside"}});
    warmed(&cache.run("preheat", amd64(&registry.manifest(), headers)));
    let asked = registry.server().seen();
    assert!(asked.len() >= 5, "an index, a manifest and three blobs");
    for seen in &asked {
        assert!(!["/v2/", "/token"].contains(&seen.ask.path.as_str()), "{seen:?}");
        assert_eq!(seen.ask.header("authorization"), Some("Bearer from-outside"), "{seen:?}");
    }
}

#[test]
fn case_51_basic_is_carried_to_the_blobs() {
    let (cache, registry) = (shared(), Registry::start(Access::Basic));
    let account = json!({"username": ACCOUNT.0, "password": ACCOUNT.1});
    warmed(&cache.run("preheat", amd64(&registry.manifest(), account)));
    for seen in registry.blobs_asked() {
        assert_eq!(seen.ask.header("authorization"), Some(basic().as_str()), "{seen:?}");
    }
    let wrong = json!({"username": ACCOUNT.0, "password": "wrong", "tag": "wrong"});
    let answer = cache.post(&json!({"type": "preheat", "args": amd64(&registry.manifest(), wrong)}));
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn case_52_wrong_bytes_are_not_kept() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Open));
    registry.falsify(LAYER_B);
    let [config, layer_a, layer_b] = blobs(&registry.base());
    let job = cache.run("preheat", amd64(&registry.manifest(), json!({})));
    let outcome = succeeded(&job);
    assert_eq!(column(&outcome["success_tasks"], "url"), [config.as_str(), &layer_a], "{job}");
    assert_eq!(column(&outcome["failure_tasks"], "url"), [layer_b.as_str()], "{job}");
    assert!(text(&outcome["failure_tasks"][0]["description"]).contains("digest"), "{job}");
    cache.absent(json!({"url": layer_b}));
    assert!(!cache.file(&id_of(&layer_b, "", "", None)).exists());
    registry.mend();
    cache.preheat(&layer_b, json!({}));
}

#[test]
fn cases_55_to_57_a_distribution_tells_what_is_cached() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Open));
    tells_which_blobs_there_are(&cache, &registry.base());
}

#[test]
fn case_55_a_distribution_is_a_record_of_its_own() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Open));
    let answer = distribution(&cache, &registry.manifest(), json!({}));
    let listed = cache.client().get("/oapi/v1/jobs").expect(200).json();
    assert_eq!(list(&listed).len(), 1, "{listed}");
    assert_eq!(listed[0]["type"], "get_image_distribution", "{listed}");
    assert_eq!((&listed[0]["state"], &listed[0]["result"]), (&json!("SUCCESS"), &answer), "{listed}");
}

#[test]
fn case_58_without_a_platform_it_is_this_machines() {
    let (cache, registry) = (shared(), Registry::start(Access::Open));
    let job = cache.run("preheat", json!({"type": "image", "url": registry.manifest()}));
    let mine = usize::from(cfg!(target_arch = "aarch64"));
    let expected: Vec<String> = registry.image.blobs[mine].iter().map(|digest| registry.blob(digest)).collect();
    assert_eq!(warmed(&job), expected, "{job}");
    let never = &registry.image;
    for digest in never.blobs[2].iter().chain([&never.manifests[2], &never.manifests[1 - mine]]) {
        assert!(registry.server().seen().iter().all(|seen| !seen.ask.path.contains(digest)), "{digest}");
    }
}

#[test]
fn every_platform_may_be_asked_for() {
    let (cache, registry) = (shared(), Registry::start(Access::Open));
    let args = plus(amd64(&registry.manifest(), json!({})), json!({"platform": "all"}));
    let job = cache.run("preheat", args);
    let got = warmed(&job);
    for digest in registry.image.blobs[0].iter().chain(&registry.image.blobs[1]) {
        assert!(got.contains(&registry.blob(digest).as_str()), "{digest} is not in {job}");
    }
}

#[test]
fn case_59_a_blob_is_the_same_in_every_repository() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Open));
    let elsewhere = registry.blob(LAYER_A).replace("team/app", "other/thing");
    cache.preheat(&elsewhere, json!({}));
    let answer = distribution(&cache, &registry.manifest(), json!({}));
    assert_eq!(cached_layers(&answer), [registry.blob(LAYER_A)], "{answer}");
    // And it is taken from there instead of fetched again.
    warmed(&cache.run("preheat", amd64(&registry.manifest(), json!({}))));
    let asked = registry.blobs_asked().into_iter().filter(|seen| seen.ask.path.contains(LAYER_A));
    assert_eq!(asked.filter(|seen| seen.ask.method == "GET").count(), 1);
}

#[test]
fn a_bearer_that_ends_meanwhile_is_renewed() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Bearer { account: false }));
    // Good for the index, the manifest and one blob.
    registry.limit(3);
    let args = amd64(&registry.manifest(), json!({"concurrent_task_count": 1}));
    warmed(&cache.run("preheat", args));
    assert!(registry.server().seen_at("/token").len() >= 2);
    assert!(registry.blobs_asked().iter().any(|seen| seen.status == 401));
}

#[test]
fn images_may_be_named_and_deleted_as_a_whole() {
    let registry = Registry::start(Access::Open);
    let host = registry.base().trim_start_matches("http://").to_owned();
    let cache = Cache::with(&format!("registries = [{{ host = \"{host}\", plain = true }}]\n"), "");
    let job = cache.run("preheat", amd64(&format!("oci://{host}/team/app:v1"), json!({})));
    assert_eq!(warmed(&job), blobs(&registry.base()), "{job}");
    let named = json!({"url": registry.manifest(), "image": true, "platform": "linux/amd64"});
    let outcome = cache.delete(named);
    assert_eq!(outcome["failure_tasks"], json!([]), "{outcome}");
    for url in blobs(&registry.base()) {
        cache.absent(json!({"url": url}));
    }
}

/// A daemon that is to start with an account for this registry in its configuration, and with more words in its entry.
fn with_account(registry: &Registry, more: &str) -> Cache {
    let host = registry.base().trim_start_matches("http://").to_owned();
    let mut cache = Cache::prepared("", "");
    let password = cache.daemon.path("password");
    std::fs::write(&password, format!("{}\n", ACCOUNT.1)).expect("the password's file");
    let account = format!("username = \"{}\", password_file = \"{}\"", ACCOUNT.0, password.display());
    let config = std::fs::read_to_string(cache.daemon.path("hostler.toml")).expect("the configuration");
    let entry = format!("[cache]\nregistries = [{{ host = \"{host}\", {account}{more} }}]\n");
    std::fs::write(cache.daemon.path("hostler.toml"), config.replacen("[cache]\n", &entry, 1))
        .expect("the configuration");
    cache.launch();
    cache
}

#[test]
fn a_configured_account_is_used_without_being_asked_for() {
    let registry = Registry::start(Access::Bearer { account: true });
    let cache = with_account(&registry, ", plain = true");
    // Whose the credentials are does not depend on how the host is spelled.
    let manifest = registry.manifest().replace("http://127.0.0.1", "http://127.0.1");
    warmed(&cache.run("preheat", amd64(&manifest, json!({}))));
    let blob = registry.blob(LAYER_A).replace("http://127.0.0.1", "http://127.0.1");
    assert_eq!(cache.task(&id_of(&blob, "", "", None))["private"], true);
}

#[test]
fn a_configured_password_is_not_sent_in_the_clear_unasked() {
    let registry = Registry::start(Access::Bearer { account: true });
    let cache = with_account(&registry, "");
    let answer = cache.post(&json!({"type": "preheat", "args": amd64(&registry.manifest(), json!({}))}));
    let said = refused(answer, 502);
    assert!(said.contains("plain = true"), "{said}");
    let asked = registry.server().seen();
    assert!(asked.iter().all(|seen| seen.ask.header("authorization").is_none()), "{asked:?}");
}

#[test]
fn an_anonymous_bearer_makes_nothing_private() {
    let (cache, registry) = (shared(), Registry::start(Access::Bearer { account: false }));
    warmed(&cache.run("preheat", amd64(&registry.manifest(), json!({}))));
    assert_eq!(cache.task(&id_of(&registry.blob(LAYER_A), "", "", None))["private"], false);
}
