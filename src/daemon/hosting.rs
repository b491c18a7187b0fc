//! The data hub as the daemon puts it together: its settings, and its place in the administration.

use crate::auth::Caller;
use crate::base::Why;
use crate::cache::origin;
use crate::config::Config;
use crate::hub;
use crate::store::Rule;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::net::SocketAddr;
use std::time::Duration;

/// The shortest pause between two rounds of anything here: below that, rounds would be all that this host does.
const SHORTEST: Duration = Duration::from_millis(10);

/// A key of the configuration with a value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("hub.{key}: {why}")]
pub struct BadValue {
    key: &'static str,
    why: String,
}

fn bad(key: &'static str, why: impl Into<String>) -> BadValue {
    BadValue { key, why: why.into() }
}

/// Addresses of the entry listener, each with whether it speaks TLS there.
pub type Entries = Vec<(SocketAddr, bool)>;

/// The room's settings: what may be connected to is as with the cache, `entry` is where the entry listener listens.
///
/// # Errors
/// A value that cannot be used, by its key.
pub fn settings(config: &Config, origin: origin::Settings, entry: Entries) -> Result<hub::Settings, BadValue> {
    let hub = &config.hub;
    for (key, pause) in [("stat_every", hub.stat_every), ("hash_every", hub.hash_every), ("beat_every", hub.beat_every)]
    {
        if pause < SHORTEST {
            return Err(bad(key, format!("expected at least {}", humantime::format_duration(SHORTEST))));
        }
    }
    if hub.offline_after < hub.beat_every {
        return Err(bad("offline_after", "expected at least beat_every: nobody would stay online"));
    }
    for (key, count) in [("log_ring", hub.log_ring), ("pulls", hub.pulls)] {
        if count == 0 {
            return Err(bad(key, "expected at least 1"));
        }
    }
    if let Some(root) = hub.pool_roots.iter().find(|root| !root.is_absolute()) {
        return Err(bad("pool_roots", format!("expected absolute paths, not {}", root.display())));
    }
    let pool_roots = match hub.pool_roots.is_empty() {
        true => vec![config.data_dir.join("pools")],
        false => hub.pool_roots.clone(),
    };
    Ok(hub::Settings {
        rules: hub::machine::Rules {
            beat_every: hub.beat_every,
            offline_after: hub.offline_after,
            log_ring: hub.log_ring,
            hash_every: hub.hash_every,
            inline_hash_max: hub.inline_hash_max.as_u64(),
            keep_jobs: hub.keep_jobs,
            keep_jobs_for: hub.keep_jobs_for,
            pulls: hub.pulls,
            stat_every: hub.stat_every,
            listens: !entry.is_empty(),
        },
        stat_every: hub.stat_every,
        hash_rate: hub.hash_rate.as_u64(),
        pool_roots,
        trust_daemonid: hub.trust_daemonid,
        entry,
        origin: origin::Settings { allow_loopback: hub.allow_loopback, ..origin },
    })
}

/// The data hub, asked by the administration.
pub struct HubRoom(pub hub::Handle);

impl crate::admin::Room for HubRoom {
    fn name(&self) -> &'static str {
        "hub"
    }

    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>> {
        std::future::ready(self.0.why(caller, name)).boxed()
    }

    fn rules(&self) -> Vec<Rule> {
        self.0.rules()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<hub::Settings, String> {
        let text = format!("data_dir = \"/var/lib/hostler\"\n[hub]\n{toml}");
        let config = crate::config::parse(&[("test".to_owned(), text.as_str())]).map_err(|why| why.to_string())?;
        let origin = super::super::downloads::settings(&config, Vec::new()).map_err(|why| why.to_string())?.origin;
        settings(&config, origin, Vec::new()).map_err(|why| why.to_string())
    }

    #[test]
    fn the_defaults_do() {
        let settings = read("").unwrap();
        assert_eq!(settings.pool_roots, [std::path::Path::new("/var/lib/hostler/pools")]);
        assert!(!settings.rules.listens && !settings.trust_daemonid && !settings.origin.allow_loopback);
        assert_eq!(settings.rules.inline_hash_max, 64 << 20);
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_key() {
        for (text, said) in [
            ("stat_every = 0", "hub.stat_every: expected at least 10ms"),
            ("offline_after = \"1s\"", "hub.offline_after: expected at least beat_every"),
            ("log_ring = 0", "hub.log_ring: expected at least 1"),
            ("pulls = 0", "hub.pulls: expected at least 1"),
            ("pool_roots = [\"here\"]", "hub.pool_roots: expected absolute paths"),
            ("entry_listen = [{ address = \"[::]:1\", cert = \"/c\" }]", "belong together"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(said), "{text} said {why}");
        }
    }
}
