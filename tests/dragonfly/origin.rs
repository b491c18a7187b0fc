//! The origin O of the reference: files, and all the ways in which servers of files behave.

use crate::support::server::{Ask, Framing, Gate, Reply, Seen, Server};
use crate::{FULL_PIECE, digest_of};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The file of the fixture, and where it lies.
pub const HELLO: &[u8] = b"hello hostler\n";

/// A file, and how it is handed out.
#[derive(Clone)]
pub struct File {
    pub bytes: Arc<Vec<u8>>,
    /// Whether it says and does `Accept-Ranges: bytes`.
    pub ranges: bool,
    pub etag: Option<String>,
    pub framing: Framing,
    /// One answer after another breaks after so many bytes; further ones do not.
    pub breaks: Vec<u64>,
    /// So many requests are answered with 503 first, and this `Retry-After`.
    pub busy: (u32, Option<u64>),
    pub gate: Option<Gate>,
    pub drip: bool,
    /// Where it is instead: status and location.
    pub moved: Option<(u16, String)>,
    /// Who may have it: the values of `Authorization`. Empty: everybody.
    pub only: Vec<String>,
    /// Sent along.
    pub headers: Vec<(String, String)>,
    /// Answered instead of 200.
    pub status: u16,
}

impl File {
    pub fn new(bytes: impl Into<Vec<u8>>) -> File {
        let bytes = Arc::new(bytes.into());
        let etag = Some(format!("\"{}\"", &digest_of(&bytes)[..16]));
        File {
            bytes,
            ranges: true,
            etag,
            framing: Framing::Length,
            breaks: Vec::new(),
            busy: (0, None),
            gate: None,
            drip: false,
            moved: None,
            only: Vec::new(),
            headers: Vec::new(),
            status: 200,
        }
    }

    /// Of this many bytes that follow a pattern of their own.
    pub fn of_size(bytes: u64, seed: u64) -> File {
        File::new(pattern(bytes, seed))
    }

    pub fn behind(self, gate: &Gate) -> File {
        File { gate: Some(gate.clone()), ..self }
    }

    pub fn moved(status: u16, to: &str) -> File {
        File { moved: Some((status, to.to_owned())), ..File::new("") }
    }

    /// Only for those who send this `Authorization`.
    pub fn only(self, authorization: &str) -> File {
        File { only: vec![authorization.to_owned()], ..self }
    }

    pub fn header(mut self, name: &str, value: &str) -> File {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn answer(&mut self, ask: &Ask) -> Reply {
        if !matches!(ask.method.as_str(), "GET" | "HEAD") {
            let echo = [ask.method.as_bytes(), b" ", &ask.body].concat();
            return Reply::new(201, echo).header("X-Origin", "yes");
        }
        if self.busy.0 > 0 {
            self.busy.0 -= 1;
            let reply = Reply::new(503, "later");
            return match self.busy.1 {
                Some(seconds) => reply.header("Retry-After", &seconds.to_string()),
                None => reply,
            };
        }
        let shown = ask.header("authorization");
        if !self.only.is_empty() && !shown.is_some_and(|shown| self.only.iter().any(|known| known == shown)) {
            return Reply::new(401, "who are you?").header("WWW-Authenticate", "Basic realm=\"files\"");
        }
        if let Some((status, to)) = &self.moved {
            return Reply::new(*status, "").header("Location", to);
        }
        let whole = self.bytes.len() as u64;
        let mut reply = Reply { content: Arc::clone(&self.bytes), to: whole, ..Reply::new(self.status, "") };
        reply.headers = self.headers.clone();
        if let Some(etag) = &self.etag {
            reply = reply.header("ETag", etag);
            if ask.header("if-none-match").is_some_and(|known| known.contains(etag.as_str())) {
                return Reply { status: 304, to: 0, ..reply };
            }
        }
        if self.ranges {
            reply = reply.header("Accept-Ranges", "bytes");
            let current = ask.header("if-range").is_none_or(|known| self.etag.as_deref() == Some(known));
            if let Some(asked) = ask.header("range").filter(|_| current) {
                match span(asked, whole) {
                    Some((from, to)) => {
                        let range = format!("bytes {from}-{}/{whole}", to - 1);
                        reply = Reply { status: 206, from, to, ..reply }.header("Content-Range", &range);
                    }
                    None => return Reply::new(416, "").header("Content-Range", &format!("bytes */{whole}")),
                }
            }
        }
        if ask.method == "GET" && !self.breaks.is_empty() {
            reply.cut = Some(self.breaks.remove(0));
        }
        Reply { framing: self.framing, gate: self.gate.clone(), drip: self.drip, ..reply }
    }
}

/// What `bytes=A-B`, `bytes=A-` and `bytes=-N` mean in a content of this length; one range only.
fn span(asked: &str, whole: u64) -> Option<(u64, u64)> {
    let (from, to) = asked.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        let last: u64 = to.parse().ok()?;
        return (last > 0).then(|| (whole.saturating_sub(last), whole));
    }
    let from: u64 = from.parse().ok()?;
    let to = if to.is_empty() { whole } else { whole.min(to.parse::<u64>().ok()? + 1) };
    (from < to).then_some((from, to))
}

/// Bytes that differ from piece to piece and from seed to seed, so that nothing stands in for something else unnoticed.
pub fn pattern(bytes: u64, seed: u64) -> Vec<u8> {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut content = Vec::with_capacity(bytes as usize + 8);
    while (content.len() as u64) < bytes {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        content.extend_from_slice(&word.to_le_bytes());
    }
    content.truncate(bytes as usize);
    content
}

/// A file of pieces, the last of which is half as long as the others.
pub fn pieces(count: u64, seed: u64) -> File {
    File::of_size(count * FULL_PIECE - FULL_PIECE / 2, seed)
}

/// A running origin, with `/hello.txt`, and `/missing` that is not there. Paths are files, whatever their query.
pub struct Origin {
    server: Server,
    files: Arc<Mutex<HashMap<String, File>>>,
}

impl Origin {
    pub fn start() -> Origin {
        Origin::on("127.0.0.1:0")
    }

    pub fn on(address: &str) -> Origin {
        let files: Arc<Mutex<HashMap<String, File>>> = Arc::default();
        let known = Arc::clone(&files);
        let server = Server::on(address, move |ask| {
            let mut files = known.lock().unwrap_or_else(PoisonError::into_inner);
            files.get_mut(&ask.path).map_or_else(|| Reply::new(404, "no such file"), |file| file.answer(ask))
        });
        let origin = Origin { server, files };
        origin.put("/hello.txt", File::new(HELLO));
        origin
    }

    /// Lays a file down, in place of what was there; its URL.
    pub fn put(&self, path: &str, file: File) -> String {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), file);
        self.url(path)
    }

    /// A file that comes only as far as its gate lets it: `/slow` of the fixture. Its URL and gate.
    pub fn slow(&self) -> (String, Gate) {
        let gate = Gate::at(1);
        (self.put("/slow", File::of_size(600, 1).behind(&gate)), gate)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    pub fn hello(&self) -> String {
        self.url("/hello.txt")
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What was asked for this path.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.server.seen_at(path)
    }
}
