//! Who the gate takes somebody for: real connections on loopback, and headers.

use crate::auth::sockdiag::{SockDiag, Unnamed};
use crate::auth::tokens::Tokens;
use crate::auth::{Arrival, Gate, Peer, Place, Settings, Source, Transport, peer, users};
use crate::store::Store;
use hyper::HeaderMap;
use nix::unistd::{Uid, setfsuid};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

/// `nobody`, who exists everywhere and owns nothing.
const NOBODY: u32 = 65_534;

/// A user this test can be: another one if it may, else itself.
fn somebody() -> u32 {
    if Uid::effective().is_root() { NOBODY } else { Uid::effective().as_raw() }
}

/// Both ends of a connection whose client's socket belongs to `uid`.
///
/// A socket belongs to the file system uid of the thread that makes it, and that is a thread's own.
fn connect(listen: IpAddr, to: IpAddr, uid: u32) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((listen, 0)).unwrap();
    let address = SocketAddr::new(to, listener.local_addr().unwrap().port());
    let client = thread::spawn(move || {
        setfsuid(Uid::from_raw(uid));
        TcpStream::connect(address).unwrap()
    });
    let (server, _) = listener.accept().unwrap();
    (client.join().unwrap(), server)
}

fn owner(server: &TcpStream) -> Result<u32, Unnamed> {
    SockDiag::open().unwrap().owner(server.peer_addr().unwrap(), server.local_addr().unwrap())
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn mapped() -> IpAddr {
    Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()
}

#[test]
fn the_kernel_names_the_client_in_every_spelling_of_loopback() {
    let any6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    for uid in [Uid::effective().as_raw(), somebody()] {
        for (listen, to) in [(V4, V4), (V6, V6), (any6, V4), (any6, V6), (V4, mapped()), (any6, mapped())] {
            let (_client, server) = connect(listen, to, uid);
            assert_eq!(owner(&server).unwrap(), uid, "{to} to a listener on {listen}");
        }
    }
}

#[test]
fn one_socket_to_the_kernel_answers_many_questions() {
    let mut kernel = SockDiag::open().unwrap();
    let connections: Vec<_> = (0..50).map(|_| connect(V4, V4, somebody())).collect();
    for (_, server) in &connections {
        let (client, here) = (server.peer_addr().unwrap(), server.local_addr().unwrap());
        assert_eq!(kernel.owner(client, here).unwrap(), somebody());
        assert!(kernel.owner(client, SocketAddr::new(V4, 1)).is_err());
    }
}

#[test]
fn a_client_that_has_closed_is_nobody_and_never_root() {
    for (listen, to) in [(V4, V4), (V6, V6), (V4, mapped())] {
        let (client, server) = connect(listen, to, somebody());
        drop(client);
        assert!(matches!(owner(&server), Err(Unnamed::Closing | Unnamed::NoSuchSocket)));
        let (client, server) = connect(listen, to, somebody());
        client.shutdown(Shutdown::Write).unwrap();
        assert!(matches!(owner(&server), Err(Unnamed::Closing)));
    }
}

#[test]
fn a_listener_of_the_same_port_is_not_the_client() {
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let nobody_connects = SocketAddr::new(V4, 9);
    let found = SockDiag::open().unwrap().owner(listener.local_addr().unwrap(), nobody_connects);
    assert!(matches!(found, Err(Unnamed::NoSuchSocket)), "{found:?}");
}

fn settings() -> Settings {
    Settings { daemon_uid: 0, operator_group: "no such group".to_owned(), loopback_uid: true, own_pids: Vec::new() }
}

fn gate(settings: Settings) -> Gate {
    Gate::new(settings, Tokens::load(Store::in_memory()).unwrap())
}

async fn tcp_peer(gate: &Gate, server: &TcpStream) -> Peer {
    gate.recognise(gate.arrived_tcp(server.peer_addr().unwrap(), server.local_addr().unwrap())).await
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &str)| (hyper::header::HeaderName::from_static(name), value.parse().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

#[tokio::test]
async fn local_users_are_recognised_over_tcp() {
    let gate = gate(settings());
    let (_client, server) = connect(V4, V4, somebody());
    let peer = tcp_peer(&gate, &server).await;
    let caller = gate.identify(&peer, &HeaderMap::new());
    assert_eq!((caller.uid(), caller.transport()), (Some(somebody()), Transport::Tcp));
    assert!(caller.is_ambient());
    if somebody() == NOBODY {
        assert_eq!(caller.name(), "uid 65534 (nobody)");
        assert!(!caller.is_operator());
        assert!(caller.may_touch(NOBODY) && !caller.may_touch(0));
    }
}

#[tokio::test]
async fn the_socket_tells_uid_and_gid_and_root_is_an_operator() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let me = Uid::effective().as_raw();
    let gate = gate(Settings { daemon_uid: me, ..settings() });
    let peer = gate.recognise(gate.arrived_unix(&ours)).await;
    let caller = gate.identify(&peer, &HeaderMap::new());
    assert_eq!(caller.uid(), Some(me));
    assert_eq!(caller.gid(), Some(nix::unistd::Gid::effective().as_raw()));
    assert!(caller.is_operator());
    assert_eq!(peer.from(), Source::Unix { pid: std::process::id().cast_signed() });
}

#[tokio::test]
async fn members_of_the_operators_group_are_operators() {
    let account = users::by_uid(NOBODY).await.unwrap().unwrap();
    let group = nix::unistd::Group::from_gid(account.gid.into()).unwrap().unwrap().name;
    for (operator_group, expected) in [(group.as_str(), true), ("no such group", false), ("", false)] {
        let gate = gate(Settings { operator_group: operator_group.to_owned(), ..settings() });
        let peer = gate.recognise(arrival(Ok((NOBODY, None)))).await;
        let caller = gate.identify(&peer, &HeaderMap::new());
        assert_eq!(caller.is_operator(), expected, "group {operator_group:?}");
        assert_eq!(caller.gid(), Some(account.gid), "the primary group is looked up where the kernel tells none");
    }
}

#[tokio::test]
async fn a_user_is_one_place_on_all_doors_and_strangers_are_where_they_come_from() {
    let gate = gate(settings());
    let (_client, server) = connect(V4, V4, somebody());
    assert_eq!(Place::of(&tcp_peer(&gate, &server).await), Place::User(somebody()));
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let me = Uid::effective().as_raw();
    assert_eq!(Place::of(&gate.recognise(gate.arrived_unix(&ours)).await), Place::User(me));
    let stranger = gate.recognise(arrival(Err("a stranger"))).await;
    assert_eq!(Place::of(&stranger), Place::from(stranger.from()));
}

fn arrival(who: Result<(u32, Option<u32>), &str>) -> Arrival {
    Arrival {
        from: Source::Tcp(SocketAddr::new(V4, 50_000)),
        who: who.map(|(uid, gid)| peer::Credentials { uid, gid }).map_err(str::to_owned),
    }
}

#[tokio::test]
async fn a_users_own_daemon_serves_that_user_and_root() {
    let gate = gate(Settings { daemon_uid: 1000, ..settings() });
    for (uid, served) in [(1000, true), (0, true), (1001, false)] {
        let peer = gate.recognise(arrival(Ok((uid, None)))).await;
        let caller = gate.identify(&peer, &HeaderMap::new());
        assert_eq!(caller.is_operator(), served, "uid {uid}");
        assert_eq!(caller.require_known().is_ok(), served, "uid {uid}");
    }
}

/// What a 401 to this peer and these headers says.
fn refusal(gate: &Gate, peer: &Peer, headers: &HeaderMap) -> String {
    let denied = gate.identify(peer, headers).require_known().unwrap_err();
    assert_eq!(denied.status, 401);
    denied.message
}

#[tokio::test]
async fn a_401_says_why_nobody_is_known() {
    let (client, server) = connect(V4, V4, somebody());
    let off = gate(Settings { loopback_uid: false, ..settings() });
    let peer = tcp_peer(&off, &server).await;
    assert!(refusal(&off, &peer, &HeaderMap::new()).contains("auth.loopback_uid"));

    let gate = gate(settings());
    drop(client);
    let peer = tcp_peer(&gate, &server).await;
    let message = refusal(&gate, &peer, &HeaderMap::new());
    assert!(message.contains("closed its end") || message.contains("knows no socket"), "{message}");

    let far: SocketAddr = "192.0.2.7:1234".parse().unwrap();
    let near: SocketAddr = "127.0.0.1:8606".parse().unwrap();
    for (client, here) in [(far, near), (near, far)] {
        let peer = gate.recognise(gate.arrived_tcp(client, here)).await;
        assert!(refusal(&gate, &peer, &HeaderMap::new()).contains("loopback"));
    }
}

#[tokio::test]
async fn a_forwarded_request_has_no_peer() {
    let gate = gate(settings());
    let root = gate.recognise(arrival(Ok((0, None)))).await;
    assert!(gate.identify(&root, &HeaderMap::new()).is_operator());
    let proxies = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-whatever", "x-real-ip"];
    for header in proxies {
        let message = refusal(&gate, &root, &headers(&[(header, "1.1 hostler")]));
        assert!(message.contains(header), "{message}");
    }
    assert!(gate.identify(&root, &headers(&[("x-forward", "x"), ("accept", "*/*")])).is_operator());
}

#[tokio::test]
async fn the_daemons_own_connections_have_no_identity() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let own_pids = vec![std::process::id().cast_signed()];
    let gate = gate(Settings { own_pids, ..settings() });
    let peer = gate.recognise(gate.arrived_unix(&ours)).await;
    assert!(refusal(&gate, &peer, &HeaderMap::new()).contains("daemon's own"));
}

#[tokio::test]
async fn a_wrong_token_is_not_made_good_by_the_connection() {
    let gate = gate(settings());
    let root = gate.recognise(arrival(Ok((0, None)))).await;
    for wrong in ["Bearer x", "bearer x", "Token x", "TOKEN x"] {
        assert!(refusal(&gate, &root, &headers(&[("authorization", wrong)])).contains("unknown or revoked"));
    }
    for malformed in ["Bearer", "Bearer ", "Bearer a b", "Token", ""] {
        assert!(refusal(&gate, &root, &headers(&[("authorization", malformed)])).contains("Authorization"));
    }
    let twice = headers(&[("authorization", "Basic eDp5"), ("authorization", "Bearer x")]);
    assert!(refusal(&gate, &root, &twice).contains("Authorization"));
    let other_scheme = headers(&[("authorization", "Basic eDp5")]);
    assert!(gate.identify(&root, &other_scheme).is_operator(), "another scheme is for a family to read");
}
