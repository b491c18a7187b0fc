//! Output as text, and as the inside of a JSON text, in pieces: what a piece ends with may be half a character, and all
//! of the output together may be longer than memory. What is not UTF-8 becomes U+FFFD, in the same places as if it had
//! come in one piece.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use std::io;

/// Makes text of pieces.
#[derive(Debug, Default)]
struct Decoder {
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
}

impl Decoder {
    /// The next piece, all but a character it leaves unfinished.
    fn piece(&mut self, piece: &[u8]) -> String {
        if self.begun.is_empty() {
            return self.text(piece);
        }
        let mut joined = std::mem::take(&mut self.begun);
        joined.extend_from_slice(piece);
        self.text(&joined)
    }

    /// What is left when nothing more will come.
    fn end(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }

    fn text(&mut self, bytes: &[u8]) -> String {
        let (mut text, mut read) = (String::with_capacity(bytes.len()), 0);
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            read += chunk.valid().len() + chunk.invalid().len();
            let unfinished = || std::str::from_utf8(chunk.invalid()).is_err_and(|why| why.error_len().is_none());
            if read == bytes.len() && unfinished() {
                self.begun = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

/// Writes a text as the inside of a JSON text.
fn escape(text: &str, out: &mut Vec<u8>) {
    let quoted = serde_json::Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    out.extend_from_slice(inside.unwrap_or_default().as_bytes());
}

/// Writes all of some bytes as the inside of a JSON text.
pub fn whole(bytes: &[u8], out: &mut Vec<u8>) {
    escape(&String::from_utf8_lossy(bytes), out);
}

/// All pieces of a stream as text.
pub fn texts(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<String>> + Send {
    let state = (Box::pin(pieces), Decoder::default(), false);
    stream::unfold(state, |(mut pieces, mut decoder, over)| async move {
        if over {
            return None;
        }
        let (text, over) = match pieces.next().await {
            Some(Ok(piece)) => (Ok(decoder.piece(&piece)), false),
            Some(Err(why)) => (Err(why), true),
            None => (Ok(decoder.end()), true),
        };
        Some((text, (pieces, decoder, over)))
    })
}

/// All pieces of a stream as the inside of a JSON text.
pub fn stream(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    texts(pieces).map_ok(|text| {
        let mut out = Vec::with_capacity(text.len());
        escape(&text, &mut out);
        Bytes::from(out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        pieces.iter().for_each(|piece| escape(&decoder.piece(piece), &mut out));
        escape(&decoder.end(), &mut out);
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
