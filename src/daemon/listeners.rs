//! Listening sockets: bound once, or taken from the keeper, which keeps a copy of each for the next core.

use super::chain;
use super::preflight::{Findings, writable};
use crate::config::{Config, Listen};
use crate::http::{Server, TlsFiles};
use crate::hub::entry::Entry;
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A listening socket and what requests on it are served as.
pub struct Bound {
    /// As configured, for the keeper and for the log: `127.0.0.1:8606`, or the socket's path.
    pub name: String,
    /// The socket.
    pub socket: Socket,
    /// Certificate and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Who answers on it.
    pub serves: Serves,
}

/// Who answers on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// The families.
    Api,
    /// The cache's proxy.
    Proxy,
    /// The hub's entry listener.
    Entry,
}

/// What the name of a socket of the proxy begins with: an address may be that of another listener too, where the kernel
/// chooses the port.
const PROXY: &str = "proxy ";
/// The same of the entry listener.
const ENTRY: &str = "entry ";

/// Why a path cannot be listened on.
const ANOTHER: &str = "another daemon answers there; stop it, or choose another place with --socket";

/// The two kinds of listening sockets.
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

impl Bound {
    /// The address that clients connect to, with the port that the kernel chose.
    pub fn address(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().map_or(self.name.clone(), |address| address.to_string()),
            Socket::Unix(_) => self.name.clone(),
        }
    }

    /// The name under which the keeper holds it: one name may resolve to several addresses.
    pub fn key(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                let kind = listener.local_addr().map_or("?", kind);
                format!("{kind}:{}", self.name)
            }
            Socket::Unix(_) => format!("unix:{}", self.name),
        }
    }

    /// For the keeper's copy.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {name}: {why}")]
pub struct ListenError {
    name: String,
    why: String,
}

/// A TCP socket that the configuration asks for.
struct Wanted {
    name: String,
    address: SocketAddr,
    tls: Option<(PathBuf, PathBuf)>,
    serves: Serves,
}

/// The TCP sockets that the configuration asks for.
///
/// # Errors
/// An address that is malformed, or not loopback without TLS and without `plaintext = true`.
fn wanted(config: &Config) -> Result<Vec<Wanted>, ListenError> {
    let mut all = Vec::new();
    for entry in &config.listen {
        for address in resolved(&entry.address)? {
            if !address.ip().is_loopback() && entry.tls.is_none() && !entry.plaintext {
                let why = "an address beyond this host needs `cert` and `key`, or `plaintext = true`".to_owned();
                return Err(ListenError { name: entry.address.clone(), why });
            }
            all.push(Wanted { name: entry.address.clone(), address, tls: entry.tls.clone(), serves: Serves::Api });
        }
    }
    for text in &config.cache.proxy.listen {
        let name = format!("{PROXY}{text}");
        for address in resolved(text)? {
            if !address.ip().to_canonical().is_loopback() {
                let why = "the proxy listens on loopback addresses only, for whoever reaches it uses this host's \
                           network; see cache.proxy.listen";
                return Err(ListenError { name, why: why.to_owned() });
            }
            all.push(Wanted { name: name.clone(), address, tls: None, serves: Serves::Proxy });
        }
    }
    for entry in &config.hub.entry_listen {
        let name = format!("{ENTRY}{}", entry.address);
        for address in resolved(&entry.address)? {
            all.push(Wanted { name: name.clone(), address, tls: entry.tls.clone(), serves: Serves::Entry });
        }
    }
    Ok(all)
}

/// The sockets that the configuration asks for: those that the keeper held are used again, the others are bound now.
/// An address family that this host does not have is passed over as long as another address remains.
///
/// # Errors
/// An address that is taken, malformed, or not loopback without TLS and without `plaintext = true`.
pub fn open(config: &Config, held: Vec<(String, OwnedFd)>) -> Result<Vec<Bound>, ListenError> {
    let mut held: Vec<_> = held.into_iter().filter_map(|(name, fd)| recognised(name, fd)).collect();
    let mut bound = vec![unix(&config.socket, &mut held)?];
    for Wanted { name, address, tls, serves } in wanted(config)? {
        if let Some(socket) = tcp(&name, address, &mut held)? {
            bound.push(Bound { name, socket, tls, serves });
        }
    }
    for one in &bound {
        let _ = match &one.socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true),
            Socket::Unix(listener) => listener.set_nonblocking(true),
        };
    }
    Ok(bound)
}

/// Whether [`open`] would succeed in the place of the running core, whose keeper holds sockets of these names. What it
/// does not hold is bound for a moment.
///
/// # Errors
/// Those of [`open`].
pub fn check(config: &Config, held: &[String]) -> Result<(), ListenError> {
    check_unix(&config.socket, held)?;
    let asked: Vec<_> = held.iter().flat_map(|key| asked_for(key)).collect();
    // All of them at once, since they may be in each other's way.
    let (mut bound, mut seen) = (Vec::new(), Vec::new());
    for Wanted { name, address, .. } in wanted(config)? {
        if address.port() != 0 && seen.contains(&address) {
            return Err(ListenError { name, why: format!("{address} is configured twice") });
        }
        seen.push(address);
        if held.contains(&format!("{}:{name}", kind(address))) || asked.contains(&address) {
            continue;
        }
        match TcpListener::bind(address) {
            Ok(listener) => bound.push(listener),
            Err(why) if family_is_missing(&why) => {}
            // The name of a socket whose port the kernel chose does not say which: it may be the one in the way.
            Err(why) if why.kind() == ErrorKind::AddrInUse && asked.contains(&SocketAddr::new(address.ip(), 0)) => {}
            Err(why) => return Err(ListenError { name, why: why.to_string() }),
        }
    }
    Ok(())
}

/// The addresses that a socket held under this key was once asked for.
fn asked_for(key: &str) -> Vec<SocketAddr> {
    let name = key.split_once(':').map_or(key, |(_, name)| name);
    let plain = name.strip_prefix(PROXY).or_else(|| name.strip_prefix(ENTRY)).unwrap_or(name);
    resolved(plain).unwrap_or_default()
}

/// What the key of a TCP socket begins with.
fn kind(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "tcp4" } else { "tcp6" }
}

/// Every certificate that the configuration names, with its listener.
pub fn certificates(config: &Config) -> Vec<(String, TlsFiles)> {
    let of = |prefix: &str, entry: &Listen| {
        let (certificate, key) = entry.tls.clone()?;
        Some((format!("{prefix}{}", entry.address), TlsFiles { certificate, key }))
    };
    let all = config.listen.iter().filter_map(|entry| of("", entry));
    all.chain(config.hub.entry_listen.iter().filter_map(|entry| of(ENTRY, entry))).collect()
}

/// Reads certificates and keys as their listeners will: what is wrong with them, and what is only doubtful. Blocks.
pub fn read(certificates: &[(String, TlsFiles)]) -> Findings {
    let mut found = Findings::default();
    for (name, files) in certificates {
        match files.check() {
            Ok(remark) => found.remarks.extend(remark),
            Err(why) => found.problems.push(format!("listener {name}: {}", chain(&why))),
        }
    }
    found
}

/// The addresses that a text names.
fn resolved(text: &str) -> Result<Vec<SocketAddr>, ListenError> {
    let fail = |why: io::Error| ListenError { name: text.to_owned(), why: format!("{why}; expected ADDRESS:PORT") };
    Ok(text.to_socket_addrs().map_err(fail)?.collect())
}

/// The socket of this name and address: held, or bound now; none where this host has no such addresses.
fn tcp(name: &str, address: SocketAddr, held: &mut Vec<(String, Socket)>) -> Result<Option<Socket>, ListenError> {
    if let Some(listener) = take_tcp(held, name, address) {
        return Ok(Some(Socket::Tcp(listener)));
    }
    match TcpListener::bind(address) {
        Ok(listener) => Ok(Some(Socket::Tcp(listener))),
        Err(why) if family_is_missing(&why) => {
            tracing::warn!(%address, "not listening here: {why}");
            Ok(None)
        }
        Err(why) => Err(ListenError { name: name.to_owned(), why: why.to_string() }),
    }
}

/// Copies of the sockets on which this is served, for whoever answers on them.
///
/// # Errors
/// No more descriptors.
pub fn serving(sockets: &[Bound], serves: Serves) -> io::Result<Vec<crate::http::Listener>> {
    let copy = |bound: &Bound| {
        let copy = match (&bound.socket, &bound.tls) {
            (Socket::Unix(listener), _) => crate::http::Bound::Unix(listener.try_clone()?),
            (Socket::Tcp(listener), None) => crate::http::Bound::Tcp(listener.try_clone()?),
            (Socket::Tcp(listener), Some((certificate, key))) => {
                let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
                crate::http::Bound::Tls(listener.try_clone()?, files)
            }
        };
        Ok(crate::http::Listener { name: bound.name.clone(), bound: copy })
    };
    sockets.iter().filter(|bound| bound.serves == serves).map(copy).collect()
}

/// The addresses on which this is served, each with whether TLS is spoken there.
pub fn addresses(sockets: &[Bound], serves: Serves) -> Vec<(SocketAddr, bool)> {
    let address = |bound: &Bound| match &bound.socket {
        Socket::Tcp(tcp) => tcp.local_addr().ok().map(|address| (address, bound.tls.is_some())),
        Socket::Unix(_) => None,
    };
    sockets.iter().filter(|bound| bound.serves == serves).filter_map(address).collect()
}

/// What answers over TLS: the listeners of all families, and the hub's entry listener.
pub type Served<'a> = (&'a Server, Option<&'a Entry>);

/// Reads certificates and keys again. Where one cannot be used, this is told, and the old ones stay, all of them.
pub async fn reload((server, entry): Served<'_>, certificates: Vec<(String, TlsFiles)>) {
    let found = tokio::task::spawn_blocking(move || read(&certificates)).await.unwrap_or_default();
    if !found.problems.is_empty() {
        return found.problems.iter().for_each(|why| tracing::warn!("certificates stay as they were: {why}"));
    }
    let reload_entry = async {
        match entry {
            Some(entry) => entry.reload().await,
            None => Ok(()),
        }
    };
    let (all, of_entry) = tokio::join!(server.reload(), reload_entry);
    for why in [all, of_entry].into_iter().filter_map(Result::err) {
        tracing::warn!("certificates: {}", chain(&why));
    }
}

fn family_is_missing(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::AddrNotAvailable) || why.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// What the keeper held, by kind; anything that is not a TCP or Unix socket is dropped.
fn recognised(name: String, fd: OwnedFd) -> Option<(String, Socket)> {
    let address: SockaddrStorage = getsockname(fd.as_raw_fd()).ok()?;
    match address.family()? {
        AddressFamily::Unix => Some((name, Socket::Unix(fd.into()))),
        AddressFamily::Inet | AddressFamily::Inet6 => Some((name, Socket::Tcp(fd.into()))),
        _ => None,
    }
}

/// A held TCP socket of that name, or of exactly that address (as systemd gives them).
fn take_tcp(held: &mut Vec<(String, Socket)>, name: &str, address: SocketAddr) -> Option<TcpListener> {
    let position = held.iter().position(|(known, socket)| match socket {
        Socket::Tcp(listener) => listener.local_addr().is_ok_and(|local| {
            local == address
                || (local.is_ipv4() == address.is_ipv4()
                    && known.split_once(':').is_some_and(|(_, known)| known == name))
        }),
        Socket::Unix(_) => false,
    })?;
    match held.swap_remove(position).1 {
        Socket::Tcp(listener) => Some(listener),
        Socket::Unix(_) => None,
    }
}

fn unix(path: &Path, held: &mut Vec<(String, Socket)>) -> Result<Bound, ListenError> {
    let name = path.to_string_lossy().into_owned();
    let fail = |why: String| ListenError { name: name.clone(), why };
    let position = held.iter().position(|(_, socket)| match socket {
        Socket::Unix(listener) => listener.local_addr().is_ok_and(|local| local.as_pathname() == Some(path)),
        Socket::Tcp(_) => false,
    });
    // A held socket whose name is gone from the file system would be heard by nobody.
    if let Some(position) = position
        && path.exists()
    {
        return Ok(Bound { name, socket: held.swap_remove(position).1, tls: None, serves: Serves::Api });
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|why| fail(why.to_string()))?;
    }
    if UnixStream::connect(path).is_ok() {
        return Err(fail(ANOTHER.into()));
    }
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(fail(why.to_string())),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|why| fail(why.to_string()))?;
    // Everybody may connect where root serves: the kernel says who each client is. A user's own daemon is his alone.
    let mode = if nix::unistd::geteuid().is_root() { 0o666 } else { 0o600 };
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(|why| fail(why.to_string()))?;
    Ok(Bound { name, socket: Socket::Unix(listener), tls: None, serves: Serves::Api })
}

/// The same as [`unix`] without doing it.
fn check_unix(path: &Path, held: &[String]) -> Result<(), ListenError> {
    let name = path.to_string_lossy().into_owned();
    let fail = |why: String| ListenError { name: name.clone(), why };
    if held.contains(&format!("unix:{name}")) && path.exists() {
        return Ok(());
    }
    std::os::unix::net::SocketAddr::from_pathname(path).map_err(|why| fail(why.to_string()))?;
    if UnixStream::connect(path).is_ok() {
        return Err(fail(ANOTHER.into()));
    }
    if path.is_dir() {
        return Err(fail("a directory is in its place".into()));
    }
    writable(path.parent().unwrap_or(path)).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(dir: &Path, proxy: &str) -> Config {
        let file = dir.join("hostler.toml");
        let listen = "listen = [\"127.0.0.1:0\"]";
        let text = format!("socket = {:?}\n{listen}\n[cache.proxy]\nlisten = [\"{proxy}\"]\n", dir.join("s"));
        std::fs::write(&file, text).unwrap();
        crate::config::load(Some(&file)).unwrap()
    }

    #[test]
    fn the_proxy_has_its_own_sockets_back_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let config = configured(dir.path(), "127.0.0.1:0");
        let sockets = open(&config, Vec::new()).unwrap();
        let served = |sockets: &[Bound]| sockets.iter().map(|one| (one.serves, one.address())).collect::<Vec<_>>();
        let before = served(&sockets);
        assert_eq!(
            before.iter().map(|(serves, _)| *serves).collect::<Vec<_>>(),
            [Serves::Api, Serves::Api, Serves::Proxy]
        );
        assert_eq!(serving(&sockets, Serves::Proxy).unwrap().len(), 1);
        let mut held: Vec<_> = sockets.iter().map(|one| (one.key(), one.fd().try_clone_to_owned().unwrap())).collect();
        drop(sockets);
        held.reverse();
        assert_eq!(served(&open(&config, held).unwrap()), before);
    }

    #[test]
    fn the_proxy_listens_on_loopback_alone() {
        let dir = tempfile::tempdir().unwrap();
        let refused = open(&configured(dir.path(), "0.0.0.0:0"), Vec::new()).err().unwrap().to_string();
        assert!(refused.contains("loopback addresses only") && refused.contains("cache.proxy.listen"), "{refused}");
    }

    #[test]
    fn what_the_keeper_holds_is_in_nobodys_way_and_others_are() {
        let dir = tempfile::tempdir().unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = other.local_addr().unwrap().to_string();
        let config = configured(dir.path(), &text);
        let path = config.socket.display();
        let why = check(&config, &[]).unwrap_err().to_string();
        assert!(why.contains(&format!("proxy {text}: Address already in use")), "{why}");
        for held in ["tcp4:proxy ", "tcp4:", "tcp4:entry "].map(|kind| format!("{kind}{text}")) {
            check(&config, &[held]).unwrap();
        }
        check(&config, &["tcp4:127.0.0.1:0".to_owned()]).unwrap();
        check(&config, &["tcp4:127.0.0.2:0".to_owned()]).unwrap_err();
        let twice = Config { listen: vec![config.listen[0].clone(); 2], ..config.clone() };
        check(&twice, &[format!("tcp4:{text}")]).unwrap();
        let one = Listen { address: text.clone(), ..config.listen[0].clone() };
        let why = check(&Config { listen: vec![one], ..config.clone() }, &[format!("tcp4:{text}")]).unwrap_err();
        assert!(why.to_string().contains(&format!("{text} is configured twice")), "{why}");
        assert!(!config.socket.exists(), "nothing is left behind");
        let _answering = UnixListener::bind(&config.socket).unwrap();
        let why = check(&config, &[format!("tcp4:{text}")]).unwrap_err().to_string();
        assert!(why.contains("another daemon answers there"), "{why}");
        check(&config, &[format!("tcp4:{text}"), format!("unix:{path}")]).unwrap();
    }
}
