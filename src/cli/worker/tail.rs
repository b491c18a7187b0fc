//! The end of what a command wrote, for the log: so much and no more.

/// How much of each stream goes to the log, in bytes.
const KEPT: usize = 64 << 10;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// Whether there was more before them.
    cut: bool,
}

impl Tail {
    /// More has come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Moved together once for many pieces.
        if self.bytes.len() > 2 * KEPT {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        if self.bytes.len() > KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
            self.cut = true;
        }
    }

    /// The bytes themselves.
    pub(super) fn bytes(&self) -> &[u8] {
        let from = self.bytes.len().saturating_sub(KEPT);
        self.bytes.get(from..).unwrap_or_default()
    }

    /// As text for the log: beginning with a whole line where the beginning is missing. None when nothing was written.
    pub(super) fn text(&mut self) -> Option<String> {
        self.shorten();
        let bytes = match self.bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) if self.cut => self.bytes.get(end + 1..).unwrap_or_default(),
            _ => &self.bytes,
        };
        // The log takes no NUL.
        let text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
        let text = text.trim_end_matches(['\n', '\r']);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pieces: &[&[u8]]) -> Tail {
        let mut tail = Tail::default();
        pieces.iter().for_each(|piece| tail.push(piece));
        tail
    }

    #[test]
    fn what_is_short_is_kept_whole() {
        assert_eq!(tail(&[]).text(), None);
        assert_eq!(tail(&[b"\n"]).text(), None);
        assert_eq!(tail(&[b"one\n", b"tw", b"o\n"]).text().unwrap(), "one\ntwo");
        assert_eq!(tail(&[b"a\0b\xff"]).text().unwrap(), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn what_is_long_begins_with_a_whole_line() {
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let mut long = Tail::default();
        (0..1000).for_each(|_| long.push(&line));
        long.push(b"end");
        assert_eq!(long.bytes().len(), KEPT);
        let text = long.text().unwrap();
        assert!(
            text.len() <= KEPT
                && text.len() > KEPT - 1000
                && text.starts_with(&"x".repeat(999))
                && text.ends_with("\nend")
        );
        let mut one = tail(&[&b"y".repeat(3 * KEPT)]);
        assert_eq!(one.text().unwrap().len(), KEPT, "a line without an end is kept as it is");
    }
}
