//! Output as the inside of a JSON text, in pieces: what a piece ends with may be half a character, and all of the
//! output together may be longer than memory.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::io;

/// Writes bytes as the inside of a JSON text. What is not UTF-8 becomes U+FFFD, in the same places as if it had come
/// in one piece.
#[derive(Debug, Default)]
pub struct Escaper {
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
}

impl Escaper {
    /// Writes the next piece, all but a character it leaves unfinished.
    pub fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.begun.is_empty() {
            return self.write(piece, out);
        }
        let mut joined = std::mem::take(&mut self.begun);
        joined.extend_from_slice(piece);
        self.write(&joined, out);
    }

    /// Writes what is left when nothing more will come.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.begun).is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }

    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut read = 0;
        for chunk in bytes.utf8_chunks() {
            text(chunk.valid(), out);
            read += chunk.valid().len() + chunk.invalid().len();
            let unfinished = || std::str::from_utf8(chunk.invalid()).is_err_and(|why| why.error_len().is_none());
            if read == bytes.len() && unfinished() {
                self.begun = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
}

fn text(valid: &str, out: &mut Vec<u8>) {
    let quoted = serde_json::Value::from(valid).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    out.extend_from_slice(inside.unwrap_or_default().as_bytes());
}

/// All of some bytes.
pub fn whole(bytes: &[u8], out: &mut Vec<u8>) {
    let mut escaper = Escaper::default();
    escaper.piece(bytes, out);
    escaper.end(out);
}

/// All pieces of a stream.
pub fn stream(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let state = (Box::pin(pieces), Escaper::default(), false);
    stream::unfold(state, |(mut pieces, mut escaper, over)| async move {
        if over {
            return None;
        }
        let mut out = Vec::new();
        let over = match pieces.next().await {
            Some(Ok(piece)) => {
                escaper.piece(&piece, &mut out);
                false
            }
            Some(Err(why)) => return Some((Err(why), (pieces, escaper, true))),
            None => {
                escaper.end(&mut out);
                true
            }
        };
        Some((Ok(Bytes::from(out)), (pieces, escaper, over)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside(pieces: &[&[u8]]) -> String {
        let (mut escaper, mut out) = (Escaper::default(), Vec::new());
        pieces.iter().for_each(|piece| escaper.piece(piece, &mut out));
        escaper.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn half_characters_wait_for_their_rest() {
        assert_eq!(inside(&[b"\xe2", b"\x82", b"\xac\n"]), "€\\n");
        assert_eq!(inside(&[b"\xff", b"x"]), "\u{fffd}x");
        assert_eq!(inside(&[b"a\xe2\x82"]), "a\u{fffd}");
        assert_eq!(inside(&[b"\xe2\x82", b"\"\x01"]), "\u{fffd}\\\"\\u0001");
    }

    #[tokio::test]
    async fn a_stream_is_escaped_to_its_end_or_its_error() {
        let pieces = [Ok(Bytes::from_static(b"\xc3")), Ok(Bytes::from_static(b"\xa4\xc3"))];
        let all: Vec<_> = stream(stream::iter(pieces)).map(Result::unwrap).collect().await;
        assert_eq!(String::from_utf8(all.concat()).unwrap(), "ä\u{fffd}");
        let broken = [Ok(Bytes::from_static(b"a")), Err(io::Error::other("gone"))];
        let all: Vec<_> = stream(stream::iter(broken)).collect().await;
        assert!(matches!(all.as_slice(), [Ok(_), Err(_)]));
    }

    proptest! {
        #[test]
        fn the_borders_of_the_pieces_do_not_show(
            pieces in prop::collection::vec(prop::collection::vec(
                prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)], 0..6), 0..8)
        ) {
            let all = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let read: String = serde_json::from_str(&format!("\"{}\"", inside(&pieces))).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&all).into_owned());
        }
    }
}
