//! This host's own listener, asked over its socket as another host would ask it.

use super::probe::is_good;
use crate::hub::model::DaemonId;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// So much of an answer is read, head and body, in bytes.
const LONGEST: u64 = 8 << 10;

/// Whether the listener at this address answers for this daemon.
pub(super) async fn answers(door: SocketAddr, tls: bool, daemon: &DaemonId) -> bool {
    let asked = async {
        let stream = TcpStream::connect(door).await?;
        if !tls {
            return converse(stream, door, daemon).await;
        }
        let config = crate::cache::origin::believing().map_err(io::Error::other)?;
        let name = ServerName::IpAddress(door.ip().into());
        let stream = TlsConnector::from(Arc::<ClientConfig>::new(config)).connect(name, stream).await?;
        converse(stream, door, daemon).await
    };
    match asked.await {
        Ok(good) => good,
        Err(why) => {
            tracing::debug!(%why, %door, "the entry listener does not answer");
            false
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    door: SocketAddr,
    daemon: &DaemonId,
) -> io::Result<bool> {
    let (id, via) = (daemon.expose(), "Via: 1.1 hostler");
    let request = format!("GET /health?daemonid={id} HTTP/1.1\r\nHost: {door}\r\n{via}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(LONGEST).read_to_end(&mut answer).await {
        // Who ends a TLS connection without a word has still said what there is to say: its length is known.
        Err(why) if why.kind() != io::ErrorKind::UnexpectedEof => return Err(why),
        _ => {}
    }
    Ok(says_yes(&answer, daemon))
}

/// Whether this is the whole good answer. Our own listener tells a length and sends no chunks.
fn says_yes(answer: &[u8], daemon: &DaemonId) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let status = head.split(|byte| *byte == b' ').nth(1).and_then(|word| hyper::StatusCode::from_bytes(word).ok());
    status.is_some_and(|status| is_good(status, body, daemon))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_is_one() {
        let daemon = DaemonId::of([0xab; 20]);
        let yes = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{{\"daemonid\":\"{}\"}}", daemon.expose());
        assert!(says_yes(yes.as_bytes(), &daemon));
        assert!(!says_yes(yes.replace("200", "404").as_bytes(), &daemon));
        assert!(!says_yes(yes.as_bytes(), &DaemonId::of([1; 20])));
        assert!(!says_yes(&yes.as_bytes()[..40], &daemon) && !says_yes(b"", &daemon));
    }
}
