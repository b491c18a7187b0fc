//! What of the configuration reaches the cache, and which values are refused by their key.

use super::*;

fn read(toml: &str) -> Result<cache::Settings, BadValue> {
    let text = format!("data_dir = \"/var/lib/hostler\"\n{toml}");
    let config = config::parse(&[("test".to_owned(), text.as_str())]).unwrap();
    settings(&config, vec!["0.0.0.0:8606".parse().unwrap()])
}

#[track_caller]
fn refused(toml: &str, start: &str) {
    let why = read(toml).unwrap_err().to_string();
    assert!(why.starts_with(start), "{why}");
}

#[test]
fn the_defaults_do() {
    let settings = read("").unwrap();
    assert_eq!(settings.dir, Path::new("/var/lib/hostler/cache"));
    assert_eq!(settings.rules.quota.bytes, None);
    assert_eq!(settings.rules.quota.keep_free, 1 << 30);
    assert_eq!(settings.origin.own.len(), 1);
    assert!(!settings.hostname.is_empty());
    assert!(!settings.ip.is_unspecified());
    assert!(settings.proxy.is_none(), "it listens nowhere");
    assert_eq!((settings.host_type, settings.long_peer_ids), ("super", true));
}

#[test]
fn what_is_set_counts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let settings = read(&format!(
        r#"
        [cache]
        dir = "/srv/cache"
        quota = "2 GiB"
        hostname = "box-a"
        ip = "192.0.2.10"
        host_type = "normal"
        peer_id = "short"
        registries = [{{ host = "127.0.0.1:5000", plain = true, username = "ada", password_file = "{}" }}]
        [cache.proxy]
        listen = ["127.0.0.1:4001"]
        registry = "https://registry.example.net"
        rules = [{{ regex = "^http://a/", use_tls = true }}]
        "#,
        file.display()
    ))
    .unwrap();
    assert_eq!(settings.dir, Path::new("/srv/cache"));
    assert_eq!(settings.rules.quota.bytes, Some(2 << 30));
    assert_eq!(settings.hostname, "box-a");
    assert_eq!(settings.ip.to_string(), "192.0.2.10");
    assert_eq!((settings.host_type, settings.long_peer_ids), ("normal", false));
    let registry = &settings.origin.registries[0];
    let (name, password) = registry.account.as_ref().unwrap();
    assert_eq!((name.as_str(), password.expose()), ("ada", "s3cret"));
    let proxy = settings.proxy.unwrap();
    assert_eq!(proxy.registry.as_deref(), Some("https://registry.example.net"));
    assert!(proxy.rules[0].regex.is_match("http://a/b"));
}

#[test]
fn what_cannot_be_used_is_named() {
    refused("[cache]\ndir = \"cache\"", "cache.dir: expected an absolute path");
    refused("[cache]\nlow_percent = 0", "cache.low_percent: expected 1 to 100");
    refused("[cache]\nmax_tasks = 0", "cache.max_tasks");
    refused("[cache]\ncluster = \"\"", "cache.cluster");
    refused("[cache]\nip = \"box\"", "cache.ip: expected an address, not \"box\"");
    refused("[cache]\nregistries = [{ host = \"https://a\" }]", "cache.registries[0].host: expected HOST");
    refused(
        "[cache]\nregistries = [{ host = \"a\", ca = \"/nowhere/ca.pem\" }]",
        "cache.registries[0].ca: /nowhere/ca.pem",
    );
    refused("[cache]\nregistries = [{ host = \"a\", username = \"ada\" }]", "cache.registries[0].password_file");
    refused(
        "[cache]\nregistries = [{ host = \"a\", username = \"ada\", password_file = \"/nowhere/pw\" }]",
        "cache.registries[0].password_file: /nowhere/pw",
    );
    refused("[cache.proxy]\nrules = [{ regex = \"(\" }]", "cache.proxy.rules[0].regex");
    refused("[cache.proxy]\nrules = [{ regex = \"a\", redirect = \"http://b\" }]", "cache.proxy.rules[0].redirect");
    refused("[cache.proxy]\nregistry = \"registry.example.net\"", "cache.proxy.registry: expected http");
    refused("[cache.proxy]\nrate = 0", "cache.proxy.rate");
}
