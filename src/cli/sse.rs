//! Server-sent events, read from bytes as they come (WHATWG HTML, "Server-sent events").

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What to resume after.
    pub id: Option<String>,
    /// Its type; empty when the stream did not say.
    pub kind: String,
    /// Its data; several lines are joined.
    pub data: String,
}

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct Reader {
    /// What came after the last line break.
    rest: Vec<u8>,
    /// The event whose lines are coming in; none before its first field.
    next: Option<Event>,
}

impl Reader {
    /// Takes more bytes and gives the events they complete. Comments only keep the connection alive.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                break;
            }
            let line = std::mem::take(&mut self.rest);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                events.extend(self.next.take());
            } else {
                self.field(line);
            }
        }
        events
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let event = match name {
            "id" | "event" | "data" => self.next.get_or_insert_default(),
            _ => return,
        };
        match name {
            "id" => event.id = Some(value.to_owned()),
            "event" => event.kind = value.to_owned(),
            _ if event.data.is_empty() => event.data = value.to_owned(),
            _ => event.data = format!("{}\n{value}", event.data),
        }
    }
}
