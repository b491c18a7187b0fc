//! The download cache as the daemon puts it together: its settings, whom it asks about the owners of pins, its closed door.

use super::listeners::{Bound, Socket};
use crate::auth::Caller;
use crate::base::{Secret, Why};
use crate::cache::model::PinOwner;
use crate::cache::{self, origin, proxy};
use crate::config::{self, Config};
use crate::dag;
use crate::http::{Failure, Route, handler};
use crate::proc;
use crate::store::Rule;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// How long lines of the audit log are kept for a gc job that does not say so: a week, as Dragonfly does.
const KEEP_AUDIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// An address of the internet, of nobody (RFC 5737): what would be sent there goes by the default route.
const SOMEWHERE: (&str, u16) = ("192.0.2.1", 9);
/// The same of IPv6 (RFC 3849).
const SOMEWHERE_ELSE: (&str, u16) = ("2001:db8::1", 9);

/// A key of the configuration with a value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cache.{key}: {why}")]
pub struct BadValue {
    key: String,
    why: String,
}

fn bad(key: impl Into<String>, why: impl Into<String>) -> BadValue {
    BadValue { key: key.into(), why: why.into() }
}

/// The addresses on which this daemon listens.
pub fn own_addresses(sockets: &[Bound]) -> Vec<SocketAddr> {
    let address = |bound: &Bound| match &bound.socket {
        Socket::Tcp(listener) => listener.local_addr().ok(),
        Socket::Unix(_) => None,
    };
    sockets.iter().filter_map(address).collect()
}

/// The room's settings. Reads files of certificates and passwords: blocks.
///
/// # Errors
/// A value that cannot be used, by its key.
pub fn settings(config: &Config, own: Vec<SocketAddr>) -> Result<cache::Settings, BadValue> {
    let cache = &config.cache;
    let dir = match cache.dir.as_os_str().is_empty() {
        true => config.data_dir.join("cache"),
        false if cache.dir.is_absolute() => cache.dir.clone(),
        false => return Err(bad("dir", format!("expected an absolute path, not {}", cache.dir.display()))),
    };
    if !(1..=100).contains(&cache.low_percent) {
        return Err(bad("low_percent", format!("expected 1 to 100, not {}", cache.low_percent)));
    }
    if cache.max_tasks == 0 {
        return Err(bad("max_tasks", "expected at least 1"));
    }
    if cache.cluster.is_empty() {
        return Err(bad("cluster", "expected a name"));
    }
    let quota = cache::machine::Quota {
        bytes: Some(cache.quota.as_u64()).filter(|bytes| *bytes > 0),
        low_percent: cache.low_percent,
        keep_free: cache.keep_free.as_u64(),
        tasks: cache.max_tasks,
    };
    let ip = match cache.ip.as_str() {
        "" => own_address(),
        text => text.parse().map_err(|_| bad("ip", format!("expected an address, not \"{}\"", text.escape_debug())))?,
    };
    let with_account = cache.registries.iter().filter(|registry| !registry.username.is_empty());
    Ok(cache::Settings {
        rules: cache::machine::Rules {
            quota,
            ttl: cache.ttl,
            keep_jobs: cache.keep_jobs,
            keep_jobs_for: cache.keep_jobs_for,
            cluster_name: cache.cluster.clone(),
            collect_every: cache.collect_every,
            note_use_every: NOTE_USE,
            ip: ip.to_string(),
            accounts: with_account.map(|registry| cache::model::address::host(&registry.host)).collect(),
        },
        dir,
        origin: origin::Settings {
            allow_loopback: cache.allow_loopback,
            own,
            connect_timeout: cache.connect_timeout,
            idle_timeout: cache.idle_timeout,
            registries: cache.registries.iter().enumerate().map(registry).collect::<Result<_, _>>()?,
        },
        retries: cache.retries,
        retry_after: cache.retry_after,
        scrub_rate: cache.scrub_rate.as_u64(),
        hostname: if cache.hostname.is_empty() { hostname()? } else { cache.hostname.clone() },
        ip,
        long_peer_ids: cache.peer_id == config::PeerId::Long,
        host_type: match cache.host_type {
            config::HostType::Super => "super",
            config::HostType::Normal => "normal",
        },
        keep_audit_for: KEEP_AUDIT,
        session: cache.session,
        proxy: proxy(&cache.proxy)?,
    })
}

/// How late it may be that a use of a task is written down: that much of the order in which tasks are thrown away, a
/// crash may take back.
const NOTE_USE: Duration = Duration::from_secs(15 * 60);

fn hostname() -> Result<String, BadValue> {
    let name =
        nix::unistd::gethostname().map_err(|why| bad("hostname", format!("this host's name is not known: {why}")))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The address of the interface with the default route; loopback where there is none. Nothing is sent: that a datagram's
/// destination is set has the kernel choose where it would leave.
fn own_address() -> IpAddr {
    let towards = |own: (&str, u16), to: (&str, u16)| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    let found = towards(("0.0.0.0", 0), SOMEWHERE).or_else(|| towards(("::", 0), SOMEWHERE_ELSE));
    found.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn registry((number, given): (usize, &config::Registry)) -> Result<origin::RegistrySettings, BadValue> {
    let key = |name: &str| format!("registries[{number}].{name}");
    if given.host.is_empty() || given.host.contains(['/', '@', ' ']) {
        return Err(bad(key("host"), format!("expected HOST or HOST:PORT, not \"{}\"", given.host.escape_debug())));
    }
    if let Some(ca) = &given.ca {
        File::open(ca).map_err(|why| bad(key("ca"), unreadable(ca, &why)))?;
    }
    let account = match (&given.password_file, given.username.as_str()) {
        (None, "") => None,
        (None, _) => return Err(bad(key("password_file"), "a username needs a file that holds its password")),
        (Some(_), "") => return Err(bad(key("username"), "a password needs a username")),
        (Some(file), username) => {
            let password =
                std::fs::read_to_string(file).map_err(|why| bad(key("password_file"), unreadable(file, &why)))?;
            let password = password.strip_suffix('\n').unwrap_or(&password);
            let password = password.strip_suffix('\r').unwrap_or(password);
            Some((username.to_owned(), Secret::new(password.to_owned())))
        }
    };
    let (plain, insecure, ca) = (given.plain, given.insecure, given.ca.clone());
    Ok(origin::RegistrySettings { host: given.host.clone(), plain, insecure, ca, account })
}

fn unreadable(path: &Path, why: &std::io::Error) -> String {
    format!("{} cannot be read: {why}", path.display())
}

fn proxy(given: &config::CacheProxy) -> Result<Option<proxy::Settings>, BadValue> {
    let rule = |(number, rule): (usize, &config::ProxyRule)| {
        let key = |name: &str| format!("proxy.rules[{number}].{name}");
        let regex = regex::Regex::new(&rule.regex).map_err(|why| bad(key("regex"), why.to_string()))?;
        if let Some(host) = rule.redirect.as_deref().filter(|host| host.is_empty() || host.contains(['/', '@', ' '])) {
            return Err(bad(key("redirect"), format!("expected HOST or HOST:PORT, not \"{}\"", host.escape_debug())));
        }
        let (use_tls, redirect, filter) = (rule.use_tls, rule.redirect.clone(), rule.filter.clone());
        Ok(proxy::Rule { regex, use_tls, redirect, filter })
    };
    let rules = given.rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?;
    let registry = Some(given.registry.clone()).filter(|registry| !registry.is_empty());
    if let Some(registry) = &registry {
        let expected =
            || bad("proxy.registry", format!("expected http://… or https://…, not \"{}\"", registry.escape_debug()));
        let url = url::Url::parse(registry).map_err(|_| expected())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(expected());
        }
    }
    if given.rate == 0 {
        return Err(bad("proxy.rate", "expected at least 1 request a second"));
    }
    Ok((!given.listen.is_empty()).then_some(proxy::Settings { rules, registry, rate: given.rate }))
}

/// Other rooms, asked whether owners of pins live.
pub struct Tenants {
    /// Supervised processes.
    pub tasks: proc::Handle,
    /// DAG runs.
    pub runs: dag::Handle,
}

impl cache::engine::Owners for Tenants {
    /// Where a room cannot tell any more, the daemon is ending: nothing is unpinned for that.
    fn lives<'a>(&'a self, owner: &'a PinOwner) -> BoxFuture<'a, bool> {
        async move {
            match owner {
                PinOwner::Dag(run) => {
                    let Ok(run) = run.parse() else { return false };
                    let run = dag::model::DagRunId(run);
                    let row = self.runs.look(move |room| room.row(run)).await;
                    row.map_or(true, |row| row.is_some_and(|row| !row.state().is_over()))
                }
                PinOwner::Proc(task) => {
                    let task = task.clone();
                    self.tasks.look(move |room| room.task(&task).is_some()).await.unwrap_or(true)
                }
                PinOwner::Name(_) => true,
            }
        }
        .boxed()
    }
}

/// While the cache's directory cannot be used, all of its routes say so.
pub fn closable(routes: Vec<Route>, handle: &cache::Handle) -> Vec<Route> {
    let close = |mut route: Route| {
        let (open, handle) = (route.handler.clone(), handle.clone());
        route.handler = handler(move |cx| {
            let answer = handle.is_open().map(|()| open(cx));
            async move {
                match answer {
                    Ok(answer) => answer.await,
                    Err(why) => Err(Failure::unavailable(why.to_string())),
                }
            }
        });
        route
    };
    routes.into_iter().map(close).collect()
}

/// The download cache, asked by the administration.
pub struct CacheRoom(pub cache::Handle);

impl crate::admin::Room for CacheRoom {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>> {
        self.0.why(caller, name).boxed()
    }

    fn rules(&self) -> Vec<Rule> {
        self.0.rules()
    }
}

#[cfg(test)]
mod tests;
