//! A reload with a configuration that a new core could not serve with, or with certificates that cannot be used: it is
//! refused, the log says why, and nothing has changed. Where no core runs well, the same ends a first start.

use crate::support::{Daemon, SOON, process, until};
use crate::{hostler, leader, look, task, text};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

const FIRST: &str = include_str!("../../src/http/tests/tls/first.pem");
const FIRST_KEY: &str = include_str!("../../src/http/tests/tls/first.key.pem");
const SECOND: &str = include_str!("../../src/http/tests/tls/second.pem");
const SECOND_KEY: &str = include_str!("../../src/http/tests/tls/second.key.pem");
const EXPIRED: &str = include_str!("../../src/http/tests/tls/expired.pem");

const PLAIN: &str = "listen = [\"127.0.0.1:0\"]";

/// Listens with a certificate for the families (127.0.0.2) and with another for the hub's entry listener.
fn with_certificates() -> Daemon {
    let daemon = Daemon::prepared("");
    let entry = |address: &str, name: &str| {
        let (cert, key) = (daemon.path(&format!("{name}.pem")), daemon.path(&format!("{name}.key")));
        format!("{{ address = \"{address}\", cert = {cert:?}, key = {key:?} }}")
    };
    let (api, hub) = (entry("127.0.0.2:0", "api"), entry("127.0.0.3:0", "hub"));
    let config = format!("listen = [\"127.0.0.1:0\", {api}]\n[hub]\nentry_listen = [{hub}]\n");
    fs::write(daemon.path("hostler.toml"), config).unwrap();
    for name in ["api", "hub"] {
        install(&daemon, name, FIRST, FIRST_KEY);
    }
    daemon
}

fn install(daemon: &Daemon, name: &str, certificate: &str, key: &str) {
    fs::write(daemon.path(&format!("{name}.pem")), certificate).unwrap();
    fs::write(daemon.path(&format!("{name}.key")), key).unwrap();
}

/// Where it speaks TLS to clients of the families.
fn tls_address(daemon: &Daemon) -> SocketAddr {
    let status = daemon.unix().get("/hostler/v1/status").json().to_string();
    let at = status.find("127.0.0.2:").expect("the listener with a certificate");
    status[at..].split('"').next().unwrap().parse().unwrap()
}

/// Whether it shows this certificate there.
fn shows(address: SocketAddr, certificate: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = TcpStream::connect(address).unwrap();
    let mut tls = Stream::new(&mut client, &mut tcp);
    let mut answer = [0; 12];
    let asked = tls.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    asked.is_ok() && tls.read_exact(&mut answer).is_ok() && answer == *b"HTTP/1.1 200"
}

/// How often the log says this.
fn said(daemon: &Daemon, what: &str) -> usize {
    daemon.stderr().matches(what).count()
}

/// Reloads, and what the log says about it by the time the refusal has been dealt with.
#[track_caller]
fn refused(daemon: &Daemon) -> String {
    const OVER: &str = "the upgrade was refused, everything goes on";
    let (core, before, from) = (daemon.core_pid(), said(daemon, OVER), daemon.stderr().len());
    process::signal(daemon.keeper_pid(), Signal::SIGHUP);
    until("the reload is refused", SOON, || {
        assert_eq!(daemon.core_pid(), core, "the core was replaced:\n{}", &daemon.stderr()[from..]);
        (said(daemon, OVER) > before).then_some(())
    });
    assert_eq!(daemon.core_pid(), core);
    daemon.stderr()[from..].to_owned()
}

#[track_caller]
fn reloaded(daemon: &mut Daemon) {
    let core = daemon.core_pid();
    process::signal(daemon.keeper_pid(), Signal::SIGHUP);
    until("another core", SOON, || daemon.core_pid().filter(|pid| Some(*pid) != core));
    daemon.await_ready();
}

#[test]
fn a_certificate_that_cannot_be_used_leaves_everything_as_it_was() {
    let mut daemon = with_certificates();
    daemon.launch();
    daemon.post("/proc", &task("steady", "daemon", "exec sleep 1000", &json!({}))).expect(200);
    let steady = leader(&daemon.tcp(), "steady");
    let (api, hub, key) = (daemon.path("api.pem"), daemon.path("hub.pem"), daemon.path("api.key"));
    let socket = daemon.socket().to_str().unwrap().to_owned();
    let address = tls_address(&daemon);
    let missing: &dyn Fn(&Path) = &|path| fs::remove_file(path).unwrap();
    let unreadable: &dyn Fn(&Path) = &|path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    };
    let no_pem: &dyn Fn(&Path) = &|path| fs::write(path, "no PEM").unwrap();
    let half: &dyn Fn(&Path) = &|path| fs::write(path, &FIRST[..FIRST.len() / 2]).unwrap();
    let foreign: &dyn Fn(&Path) = &|path| fs::write(path, SECOND_KEY).unwrap();
    for (file, breaks, why) in [
        (&api, missing, "No such file or directory"),
        (&api, unreadable, "Is a directory"),
        (&api, no_pem, "no certificate in it"),
        (&api, half, "missing section end marker"),
        (&key, no_pem, "no key in it"),
        (&key, foreign, "KeyMismatch"),
        (&hub, missing, "No such file or directory"),
    ] {
        breaks(file);
        let listener = if *file == hub { "listener entry 127.0.0.3:0: " } else { "listener 127.0.0.2:0: " };
        let told = refused(&daemon);
        let line = |line: &str| line.contains(listener) && line.contains(file.to_str().unwrap()) && line.contains(why);
        assert!(told.lines().any(line), "{file:?}: {told}");
        let check = hostler(&["--socket", &socket, "check"]);
        assert_eq!(check.status.code(), Some(1), "{}", text(&check.stderr));
        assert!(text(&check.stdout).lines().any(line), "{}", text(&check.stdout));
        if file.is_dir() {
            fs::remove_dir(file).unwrap();
        }
        install(&daemon, if *file == hub { "hub" } else { "api" }, FIRST, FIRST_KEY);
    }
    // One of two that was renewed stays for when the other can be used.
    install(&daemon, "api", SECOND, SECOND_KEY);
    fs::remove_file(&hub).unwrap();
    refused(&daemon);
    until("it has looked again", SOON, || daemon.stderr().contains("certificates stay as they were").then_some(()));
    assert!(shows(address, FIRST) && !shows(address, SECOND));
    assert_eq!(leader(&daemon.tcp(), "steady"), steady);

    install(&daemon, "hub", SECOND, SECOND_KEY);
    reloaded(&mut daemon);
    assert_eq!(tls_address(&daemon), address);
    assert!(shows(address, SECOND) && !shows(address, FIRST));
    assert_eq!(leader(&daemon.tcp(), "steady"), steady);
}

#[test]
fn an_expired_certificate_is_told_and_used() {
    let mut daemon = with_certificates();
    install(&daemon, "api", EXPIRED, FIRST_KEY);
    let config = daemon.path("hostler.toml");
    let warning = format!("{}: the certificate has expired on 2020-02-01", daemon.path("api.pem").display());
    let checked = hostler(&["doctor", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(text(&checked.stdout).contains(&warning), "{}", text(&checked.stdout));
    daemon.launch();
    assert!(daemon.stderr().contains(&warning), "{}", daemon.stderr());
    reloaded(&mut daemon);
    assert!(said(&daemon, &warning) > 1, "{}", daemon.stderr());
}

#[test]
fn a_certificate_that_cannot_be_used_ends_a_first_start_and_no_later_one() {
    let mut daemon = with_certificates();
    fs::remove_file(daemon.path("api.pem")).unwrap();
    let owned = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let (config, data, socket) = (owned("hostler.toml"), owned("data"), owned("s"));
    let what = format!("listener 127.0.0.2:0: {}: I/O error: No such file", owned("api.pem"));
    for first in [
        hostler(&["serve", "--config", &config, "--data-dir", &data, "--socket", &socket]),
        hostler(&["doctor", "--config", &config]),
    ] {
        let (out, err) = (text(&first.stdout), text(&first.stderr));
        assert!(matches!(first.status.code(), Some(1 | 100)), "{:?}: {out}{err}", first.status);
        assert!(out.contains(&what) || err.contains(&what), "{out}{err}");
    }
    install(&daemon, "api", FIRST, FIRST_KEY);
    daemon.launch();
    let address = tls_address(&daemon);
    // A core that dies meanwhile: nobody has asked for another one, so there is none to go on with.
    fs::remove_file(daemon.path("api.pem")).unwrap();
    daemon.kill_core();
    until("the next one says why", SOON, || daemon.stderr().contains(&what).then_some(()));
    install(&daemon, "api", FIRST, FIRST_KEY);
    daemon.await_ready();
    assert_eq!(tls_address(&daemon), address);
    assert!(shows(address, FIRST));
}

/// Nothing runs in this daemon, so that one which gave up would be gone.
#[test]
fn a_configuration_that_no_core_could_serve_with_is_refused() {
    let mut daemon = Daemon::prepared(PLAIN);
    daemon.launch();
    let (config, file) = (daemon.path("hostler.toml"), daemon.path("file"));
    fs::write(&file, "").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let below = file.join("cache");
    for (text, why) in [
        ("listen = [\"0.0.0.0:0\"]".to_owned(), "an address beyond this host needs `cert` and `key`"),
        ("listen = [\"nonsense\"]".to_owned(), "expected ADDRESS:PORT"),
        (format!("{PLAIN}\n[log]\nlevel = \"hostler=what\""), "log.level: "),
        (format!("{PLAIN}\n[tracker]\nwebhook_hash = \"md5\""), "tracker.webhook_hash: expected sha1 or sha256"),
        (format!("{PLAIN}\n[cache]\nlow_percent = 0"), "cache.low_percent: expected 1 to 100"),
        (format!("{PLAIN}\n[cache]\ndir = {below:?}"), "is no directory"),
        (format!("{PLAIN}\n[cache]\nregistries = [{{ host = \"a\", ca = {file:?} }}]"), "file: no certificate in it"),
        (
            format!("{PLAIN}\n[cache]\nregistries = [{{ host = \"a\", username = \"b\", password_file = {below:?} }}]"),
            "cache.registries[0].password_file: ",
        ),
        (format!("{PLAIN}\n[cache.proxy]\nrules = [{{ regex = \"(\" }}]"), "cache.proxy.rules[0].regex: "),
        (format!("{PLAIN}\n[hub]\npool_roots = [\"here\"]"), "hub.pool_roots: expected absolute paths"),
        ("unknown = 1".to_owned(), "unknown key `unknown`"),
    ] {
        fs::write(&config, &text).unwrap();
        let told = refused(&daemon);
        assert!(told.contains(why), "{text}: {told}");
    }
    let own = daemon.address();
    fs::write(&config, format!("listen = [\"{own}\"]")).unwrap();
    reloaded(&mut daemon);
    assert_eq!(daemon.address(), own);
    fs::write(&config, format!("listen = [\"{own}\", \"{taken}\"]")).unwrap();
    let told = refused(&daemon);
    assert!(told.contains(&format!("cannot listen on {taken}: Address already in use")), "{told}");
    drop(listener);
    reloaded(&mut daemon);
    assert!(look(&daemon, "/readyz").is_some_and(|answer| answer.status == 200));
    assert!(TcpStream::connect(taken).is_ok());
}
