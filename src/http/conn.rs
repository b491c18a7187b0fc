//! One connection: how long its client may take, what goes out on it, and how it ends.
//!
//! ```text
//! Head --bytes complete--> Busy --answer given--> Idle --first byte--> Head
//! ```
//!
//! In *Head* and *Idle* the client owes us something and a clock runs; in *Busy* we owe it an answer. A client that
//! does not take its answer is watched by a clock of its own. Whatever a slow client does, it costs one task and one
//! small buffer.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::poll_fn;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::http::reply::{Content, Pieces};
use crate::http::settings::Settings;
use crate::http::socket::Socket;

/// How much of what a client still sends is read after the last answer, so that closing does not destroy that
/// answer on its way (a socket closed with unread data resets the connection). Enough for bodies that are a few times too
/// large for most routes: clients that do not read before they have sent everything then learn why.
const LINGER_BYTES: usize = 32 << 20;

/// What the connection waits for. Shared by the socket's clock and the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// The client owes us the rest of a head.
    Head = 0,
    /// We owe the client an answer.
    Busy = 1,
    /// Between two requests.
    Idle = 2,
}

/// The phase of one connection.
#[derive(Default)]
pub struct Pace(AtomicU8);

impl Pace {
    fn get(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Head,
            1 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

/// A stream whose reads and writes fail with `TimedOut` when the client takes too long.
struct Timed<S> {
    inner: S,
    pace: Arc<Pace>,
    head: Duration,
    idle: Duration,
    stall: Duration,
    /// The clock of the phase it was wound up for.
    reading: Option<Phase>,
    read_clock: Pin<Box<Sleep>>,
    writing: bool,
    write_clock: Pin<Box<Sleep>>,
}

impl<S> Timed<S> {
    fn new(inner: S, pace: Arc<Pace>, settings: &Settings) -> Timed<S> {
        Timed {
            inner,
            pace,
            head: settings.head_timeout,
            idle: settings.idle_timeout,
            stall: settings.write_timeout,
            reading: None,
            read_clock: Box::pin(sleep(settings.head_timeout)),
            writing: false,
            write_clock: Box::pin(sleep(settings.write_timeout)),
        }
    }

    /// Nothing to read: has the client taken too long?
    fn wait_for_reading(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.pace.get();
        let limit = match phase {
            Phase::Busy => {
                self.reading = None;
                return Poll::Pending;
            }
            Phase::Head => self.head,
            Phase::Idle => self.idle,
        };
        if self.reading != Some(phase) {
            self.reading = Some(phase);
            self.read_clock.as_mut().reset(Instant::now() + limit);
        }
        ready!(self.read_clock.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// What a write came to.
    fn written(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if outcome.is_ready() && self.pace.get() == Phase::Idle {
            // A client that reads its answer slowly is not idle.
            self.reading = None;
        }
        self.watch_writing(cx, outcome)
    }

    /// If nothing can be written: has the client left its answer untouched for too long?
    fn watch_writing<R>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.writing = false;
            return outcome;
        }
        if !self.writing {
            self.writing = true;
            self.write_clock.as_mut().reset(Instant::now() + self.stall);
        }
        ready!(self.write_clock.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            Poll::Ready(done) => {
                if buffer.filled().len() > before && self.pace.get() == Phase::Idle {
                    self.pace.set(Phase::Head);
                    self.reading = None;
                }
                Poll::Ready(done)
            }
            Poll::Pending => self.wait_for_reading(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, pieces);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch_writing(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch_writing(cx, outcome)
    }
}

/// An answer's body on its way out. While it lives the connection is busy.
pub struct Outgoing {
    content: Content,
    pace: Arc<Pace>,
}

impl Outgoing {
    /// Sends `content`; a body in pieces ends early when the client goes or the daemon drains.
    pub fn new(content: Content, wire: &Wire) -> Outgoing {
        let content = match content {
            Content::Whole(_) | Content::Finite(_) => content,
            Content::Pieces(pieces) => {
                let (socket, mut drain) = (wire.socket.clone(), wire.drain.clone());
                let over = async move {
                    tokio::select! {
                        () = socket.gone() => {}
                        () = drained(&mut drain) => {}
                    }
                };
                let pieces: Pieces = Box::pin(pieces.take_until(Box::pin(over)));
                Content::Pieces(pieces)
            }
        };
        Outgoing { content, pace: wire.pace.clone() }
    }

    /// Sends `content` to its end, also while the daemon drains: for an answer that has one. That its client has gone is
    /// noticed when nothing can be written any more.
    pub fn finite(content: Content, wire: &Wire) -> Outgoing {
        Outgoing { content, pace: wire.pace.clone() }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.pace.set(Phase::Idle);
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) | Content::Finite(pieces) => {
                pieces.poll_next_unpin(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) | Content::Finite(_) => SizeHint::default(),
        }
    }
}

/// What the service knows of the connection beneath a request.
#[derive(Clone)]
pub struct Wire {
    socket: Socket,
    pace: Arc<Pace>,
    drain: watch::Receiver<bool>,
}

impl Wire {
    /// The wire of a connection just accepted.
    pub fn new(socket: Socket, drain: watch::Receiver<bool>) -> Wire {
        Wire { socket, pace: Arc::default(), drain }
    }

    /// Waits until the client has closed its end.
    pub async fn gone(&self) {
        self.socket.gone().await;
    }

    /// Waits until the daemon drains.
    pub async fn drained(&self) {
        drained(&mut self.drain.clone()).await;
    }

    /// A head is complete: from now on we owe the answer.
    pub fn busy(&self) {
        self.pace.set(Phase::Busy);
    }
}

/// Serves HTTP/1 on `stream` until the client leaves, takes too long, or the daemon drains; then closes gently.
pub async fn serve<S, V>(stream: S, wire: Wire, settings: &Settings, service: V)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<Request<Incoming>, Response = hyper::Response<Outgoing>> + Unpin,
    V::Error: std::error::Error + Send + Sync + 'static,
    V::Future: Unpin,
{
    let mut drain = wire.drain.clone();
    let io = TokioIo::new(Timed::new(stream, wire.pace.clone(), settings));
    let mut connection = http1::Builder::new()
        // A client may close its sending side and still read the answer (`nc -N`, `socat`).
        .half_close(true)
        .max_header_size(settings.head_limit)
        // The clocks are in `Timed`, which tells an idle connection from a slow head.
        .header_read_timeout(None)
        .serve_connection(io, service);
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(ended),
        () = drained(&mut drain) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection ended");
    }
    linger(connection.into_parts().io.into_inner().inner, settings.linger).await;
}

/// Waits until the daemon drains, or the server is gone.
pub async fn drained(drain: &mut watch::Receiver<bool>) {
    // Both outcomes mean that it is over; the guard of the value must not live on.
    drop(drain.wait_for(|drain| *drain).await);
}

/// Says that nothing more comes, then reads on for a while, so that what was said arrives.
pub async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, limit: Duration) {
    let drained = async {
        stream.shutdown().await?;
        let (mut buffer, mut total) = ([0_u8; 4096], 0);
        while total < LINGER_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => total += count,
            }
        }
        io::Result::Ok(())
    };
    // Whatever goes wrong now, the connection is over.
    drop(timeout(limit, drained).await);
}
