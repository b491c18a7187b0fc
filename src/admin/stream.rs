//! Bytes that a blocking writer produces, as a stream.
//!
//! The writer runs on a thread of its own, because the pace is the client's and a slow one would occupy a place in the
//! blocking pool for hours. At most [`AHEAD`] pieces wait; then the writer does. When the client goes, the writer's next
//! write fails.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use std::io::{self, Write};
use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The size of a piece in bytes.
pub(super) const PIECE: usize = 64 * 1024;
/// Pieces that may wait for the client.
pub(super) const AHEAD: usize = 8;

/// Starts the thread and answers its stream. An error of `produce` is the stream's last item, so that the client sees
/// that something is missing. `with` is dropped when the thread ends.
///
/// # Errors
/// No thread could be started.
pub(super) fn stream<Kept: Send + 'static>(
    name: &str,
    with: Kept,
    produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let (pieces, stream) = channel(AHEAD);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut writer = Pieces { pieces, filling: BytesMut::new() };
        if let Err(why) = produce(&mut writer).and_then(|()| writer.flush()) {
            writer.pieces.blocking_send(Err(why)).ok(); // the client may be what failed
        }
        drop(with);
    })?;
    Ok(stream::unfold(stream, |mut stream: Receiver<_>| async move { Some((stream.recv().await?, stream)) }))
}

struct Pieces {
    pieces: Sender<io::Result<Bytes>>,
    filling: BytesMut,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.filling.len());
        self.filling.extend(bytes.iter().take(taken));
        if self.filling.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let piece = self.filling.split().freeze();
        self.pieces
            .blocking_send(Ok(piece))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
    }
}
