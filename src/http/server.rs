//! The server: listeners that are already bound, seats for connections, certificates, and the end.
//!
//! Everything runs on the runtime it is started on, one task per connection. When it drains, accepting stops at once
//! (the keeper's copies of the listeners keep the clients queued for the next core), idle connections close, requests
//! in hand are answered, and streams end.

use crate::auth::{Arrival, Audit, Gate};
use crate::base::Bus;
use crate::http::builtin;
use crate::http::conn::{self, Wire};
use crate::http::health::Health;
use crate::http::life::{self, Link};
use crate::http::openapi;
use crate::http::origin::Names;
use crate::http::route::Route;
use crate::http::router::{RouteError, Router};
use crate::http::seats::{Seat, Seats};
use crate::http::settings::Settings;
use crate::http::socket::Socket;
use crate::http::tls::{Certificate, TlsError, TlsFiles};
use crate::metrics::Metrics;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// How long accepting pauses when the host has no descriptors or memory left for another connection.
const BREATHER: Duration = Duration::from_millis(100);
/// How many connections without a seat are told so at once; further ones are closed without a word.
const REFUSALS: usize = 64;

/// May a client's write start? The text says why not. The number is how many bytes it brings, where that is much: then
/// the file system is asked, which may block. 0 does not.
pub type Admits = Arc<dyn Fn(u64) -> Result<(), String> + Send + Sync>;

/// What requests are answered with the help of.
#[derive(Clone)]
pub struct Services {
    /// Knows callers.
    pub gate: Gate,
    /// Notes refused and state-changing requests.
    pub audit: Audit,
    /// What `/events` shows.
    pub bus: Bus,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/healthz` and `/readyz` show; while it is degraded no route is served.
    pub health: Health,
    /// Asked before every state-changing request.
    pub admits: Admits,
}

/// A listener that is bound already.
pub struct Listener {
    /// What to call it in logs: the address it is bound to, or what the configuration says.
    pub name: String,
    /// Its socket.
    pub bound: Bound,
}

/// A bound socket and what is spoken on it.
pub enum Bound {
    /// HTTP over TCP.
    Tcp(std::net::TcpListener),
    /// HTTP over TLS over TCP.
    Tls(std::net::TcpListener, TlsFiles),
    /// HTTP over a Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The routes contradict each other.
    #[error("the table of routes is wrong")]
    Routes(#[from] RouteError),
    /// A certificate or key cannot be used.
    #[error("listener {listener}")]
    Tls {
        /// Which.
        listener: String,
        /// Why.
        source: TlsError,
    },
    /// A socket cannot be used.
    #[error("listener {listener}")]
    Socket {
        /// Which.
        listener: String,
        /// Why.
        source: io::Error,
    },
}

/// What every request has in reach.
pub struct Shared {
    pub(super) settings: Settings,
    pub(super) names: Names,
    pub(super) router: Router,
    pub(super) gate: Gate,
    pub(super) audit: Audit,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) admits: Admits,
    /// The addresses of [`Settings::server_ips`], joined.
    pub(super) server_ip: Option<HeaderValue>,
    seats: Arc<Seats>,
    refusals: Arc<Semaphore>,
}

impl Shared {
    /// Sorts the routes, with those the server brings itself.
    pub(super) fn new(
        mut routes: Vec<Route>,
        settings: Settings,
        services: Services,
        addresses: Vec<IpAddr>,
    ) -> Result<Shared, RouteError> {
        let description = Arc::new(OnceLock::new());
        if settings.only.is_none() {
            routes.extend(builtin::routes(&services, &settings, description.clone()));
        }
        // Set exactly once, here; the route that shows it can only run later.
        description.get_or_init(|| openapi::describe(&routes));
        let names = Names {
            hosts: settings.hosts.iter().chain(&settings.host_name).cloned().collect(),
            addresses,
            cors_origins: settings.cors_origins.clone(),
        };
        let addresses: Vec<String> = settings.server_ips.iter().map(ToString::to_string).collect();
        let server_ip = HeaderValue::try_from(addresses.join(", ")).ok().filter(|_| !addresses.is_empty());
        let Services { gate, audit, metrics, health, admits, bus: _ } = services;
        Ok(Shared {
            names,
            router: Router::new(routes, settings.only)?,
            gate,
            audit,
            metrics,
            health,
            admits,
            server_ip,
            seats: Arc::new(Seats::new(settings.connections, settings.connections_per_peer)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            settings,
        })
    }
}

/// The running server. Dropping it drains it too, without waiting.
pub struct Server {
    shared: Arc<Shared>,
    certificates: Vec<(String, Arc<Certificate>)>,
    drain: watch::Sender<bool>,
}

impl Server {
    /// Serves `routes`, and those of the server itself, on `listeners`, from now on.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is accepted then.
    pub async fn start(
        routes: Vec<Route>,
        settings: Settings,
        services: Services,
        listeners: Vec<Listener>,
    ) -> Result<Server, StartError> {
        let addresses = listeners.iter().filter_map(Listener::address).collect();
        let shared = Arc::new(Shared::new(routes, settings, services, addresses)?);
        let (mut doors, mut certificates) = (Vec::new(), Vec::new());
        for Listener { name, bound } in listeners {
            let failed = |source| StartError::Socket { listener: name.clone(), source };
            let door = match bound {
                Bound::Tcp(listener) => Door::tcp(listener, None).map_err(failed)?,
                Bound::Unix(listener) => Door::unix(listener).map_err(failed)?,
                Bound::Tls(listener, files) => {
                    let read = Certificate::read(files).await;
                    let certificate = read.map_err(|source| StartError::Tls { listener: name.clone(), source })?;
                    let certificate = Arc::new(certificate);
                    certificates.push((name.clone(), certificate.clone()));
                    Door::tcp(listener, Some(certificate)).map_err(failed)?
                }
            };
            doors.push((name, door));
        }
        let drain = watch::Sender::new(false);
        for (name, door) in doors {
            tokio::spawn(accept(shared.clone(), name, door, drain.subscribe()));
        }
        Ok(Server { shared, certificates, drain })
    }

    /// Reads certificates and keys again. New connections use them; one that cannot be read leaves the old in place.
    ///
    /// # Errors
    /// The first listener whose files cannot be used; the others have theirs.
    pub async fn reload(&self) -> Result<(), StartError> {
        let mut outcome = Ok(());
        for (listener, certificate) in &self.certificates {
            if let Err(source) = certificate.reload().await
                && outcome.is_ok()
            {
                outcome = Err(StartError::Tls { listener: listener.clone(), source });
            }
        }
        outcome
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.seats.taken()
    }

    /// Accepts nothing more and waits at most `limit` for the connections to end. Answers how many are still open.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.drain.send_replace(true);
        // Either nobody is left or the time is over: the number tells.
        drop(timeout(limit, self.shared.seats.empty()).await);
        self.connections()
    }
}

impl Listener {
    /// The address clients call it by; "any address" is none that anybody calls.
    fn address(&self) -> Option<IpAddr> {
        let address = match &self.bound {
            Bound::Tcp(listener) | Bound::Tls(listener, _) => {
                listener.local_addr().ok().map(|at| at.ip().to_canonical())
            }
            Bound::Unix(_) => None,
        };
        address.filter(|address| !address.is_unspecified())
    }
}

/// A listener on the runtime.
enum Door {
    Tcp(TcpListener, Option<Arc<Certificate>>),
    Unix(UnixListener),
}

/// A connection through a door.
struct Visitor {
    socket: Socket,
    arrival: Arrival,
    /// Our address, on TCP.
    address: Option<IpAddr>,
    certificate: Option<Arc<Certificate>>,
}

impl Door {
    fn tcp(listener: std::net::TcpListener, certificate: Option<Arc<Certificate>>) -> io::Result<Door> {
        listener.set_nonblocking(true)?;
        Ok(Door::Tcp(TcpListener::from_std(listener)?, certificate))
    }

    fn unix(listener: std::os::unix::net::UnixListener) -> io::Result<Door> {
        listener.set_nonblocking(true)?;
        Ok(Door::Unix(UnixListener::from_std(listener)?))
    }

    /// The next connection, its peer already asked from the kernel. None for one that went away meanwhile.
    async fn accept(&self, gate: &Gate) -> io::Result<Option<Visitor>> {
        match self {
            Door::Tcp(listener, certificate) => {
                let (stream, client) = listener.accept().await?;
                let Ok(server) = stream.local_addr() else { return Ok(None) };
                let arrival = gate.arrived_tcp(client, server);
                // Answers are written whole: waiting for more to send only delays them.
                drop(stream.set_nodelay(true));
                let address = Some(server.ip().to_canonical());
                let socket = Socket::Tcp(Arc::new(stream));
                Ok(Some(Visitor { socket, arrival, address, certificate: certificate.clone() }))
            }
            Door::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let arrival = gate.arrived_unix(&stream);
                Ok(Some(Visitor { socket: Socket::Unix(Arc::new(stream)), arrival, address: None, certificate: None }))
            }
        }
    }
}

async fn accept(shared: Arc<Shared>, name: String, door: Door, mut drain: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = conn::drained(&mut drain) => return,
            accepted = door.accept(&shared.gate) => accepted,
        };
        match accepted {
            Ok(None) => {}
            Ok(Some(visitor)) => match shared.seats.take() {
                Some(seat) => {
                    tokio::spawn(receive(shared.clone(), visitor, drain.clone(), seat));
                }
                None => refuse(&shared, visitor, "too many connections"),
            },
            Err(why) => {
                tracing::warn!(%why, listener = name, "a connection could not be accepted");
                sleep(BREATHER).await;
            }
        }
    }
}

/// One connection from its first byte to its last.
async fn receive(shared: Arc<Shared>, visitor: Visitor, drain: watch::Receiver<bool>, _seat: Seat) {
    let _open = Open::new(&shared.metrics);
    let Visitor { socket, arrival, address, certificate } = visitor;
    let peer = shared.gate.recognise(arrival).await;
    let Some(_place) = shared.seats.take_for(&peer) else {
        if certificate.is_none() {
            say_no(&shared, socket, "too many connections of this caller").await;
        }
        return;
    };
    let wire = Wire::new(socket.clone(), drain);
    let link = Link { peer, address, tls: certificate.is_some(), wire: wire.clone() };
    match certificate {
        None => converse(&shared, link, wire, socket).await,
        Some(certificate) => {
            let acceptor = TlsAcceptor::from(certificate.config());
            match timeout(shared.settings.head_timeout, acceptor.accept(socket)).await {
                Ok(Ok(stream)) => converse(&shared, link, wire, stream).await,
                Ok(Err(why)) => tracing::debug!(%why, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
}

/// Counts an open connection.
struct Open(Metrics);

impl Open {
    fn new(metrics: &Metrics) -> Open {
        metrics.connection_opened();
        Open(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}

async fn converse<S>(shared: &Arc<Shared>, link: Link, wire: Wire, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (link, state) = (Arc::new(link), shared.clone());
    let service = service_fn(move |request| {
        let (link, state) = (link.clone(), state.clone());
        Box::pin(async move { Ok::<_, Infallible>(life::answer(&state, &link, request).await) })
    });
    conn::serve(stream, wire, &shared.settings, service).await;
}

/// Tells a connection that has no seat so, as long as there are not too many of those either.
fn refuse(shared: &Arc<Shared>, visitor: Visitor, why: &'static str) {
    let permit = shared.refusals.clone().try_acquire_owned();
    if let (Ok(permit), None) = (permit, visitor.certificate) {
        let (shared, socket) = (shared.clone(), visitor.socket);
        tokio::spawn(async move {
            let _permit = permit;
            say_no(&shared, socket, why).await;
        });
    }
}

/// Nothing has been read, so nobody knows which family is called: the answer has hostler's own shape.
async fn say_no(shared: &Shared, mut socket: Socket, why: &'static str) {
    shared.metrics.connection_refused("limit");
    let body = format!("{{\"error\":\"{why}\",\"code\":\"too_many_connections\"}}");
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1";
    let text = format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // A fresh socket's buffer holds this; a client that is gone needs no answer.
    if socket.write_all(text.as_bytes()).await.is_ok() {
        conn::linger(socket, shared.settings.linger).await;
    }
}
