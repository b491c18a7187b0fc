//! HTTP to the daemon: one kept connection for questions, one of its own for every stream.

use crate::base::Secret;
use crate::cli::exit::Exit;
use crate::cli::place::Place;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::io;
use std::time::Duration;

/// How long an ordinary question may go unanswered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// No answer that is read as a whole is larger: 2,000 tasks are about 2 MiB.
const ANSWER_MAX: usize = 256 << 20;
/// Names the account that an operator acts for.
const ACTS_FOR: HeaderName = HeaderName::from_static("x-hostler-as");
/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why the daemon could not be asked, or what it said no to.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there.
    #[error("the daemon does not answer on {place}: is it running? start it with `hostler serve` ({source})")]
    Absent {
        /// Where.
        place: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket's mode does not let this user in.
    #[error("this user may not open {place}: ask its owner, or use --url with --token-file")]
    Closed {
        /// Where.
        place: String,
    },
    /// No secure connection.
    #[error("no TLS connection to {place}: {why}")]
    Tls {
        /// Where.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// No answer in time.
    #[error("the daemon at {place} has not answered within {} s", ANSWERS_WITHIN.as_secs())]
    Silent {
        /// Where.
        place: String,
    },
    /// The connection ended too early.
    #[error("the connection to {place} ended before the answer was complete ({source})")]
    Lost {
        /// Where.
        place: String,
        /// What happened to it.
        source: hyper::Error,
    },
    /// The daemon says no.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The daemon's own words.
        message: String,
    },
    /// Whatever answered, it is not a hostler that we understand.
    #[error("the answer of {place} is not what a hostler daemon says: {why}")]
    Strange {
        /// Where.
        place: String,
        /// What it is instead.
        why: String,
    },
}

impl CallError {
    /// Whether asking again can help.
    pub fn exit(&self) -> Exit {
        match self {
            CallError::Absent { .. } | CallError::Silent { .. } | CallError::Lost { .. } => Exit::TryAgain,
            CallError::Refused { status, .. } if passes(*status) => Exit::TryAgain,
            CallError::Closed { .. }
            | CallError::Tls { .. }
            | CallError::Refused { .. }
            | CallError::Strange { .. } => Exit::Misuse,
        }
    }

    /// Whether a connection that was once good may come back: the core is being replaced.
    pub fn is_passing(&self) -> bool {
        self.exit() == Exit::TryAgain
    }
}

/// Statuses that say "later" rather than "no".
fn passes(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// A request to be made.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    target: String,
    body: Option<Bytes>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How long it may go unanswered.
    limit: Duration,
}

impl Call {
    /// With this method, to this path.
    pub fn new(method: Method, path: &str) -> Call {
        Call { method, target: path.to_owned(), body: None, headers: Vec::new(), limit: ANSWERS_WITHIN }
    }

    /// `GET`.
    pub fn get(path: &str) -> Call {
        Call::new(Method::GET, path)
    }

    /// `POST`.
    pub fn post(path: &str) -> Call {
        Call::new(Method::POST, path)
    }

    /// `PUT`.
    pub fn put(path: &str) -> Call {
        Call::new(Method::PUT, path)
    }

    /// `DELETE`.
    pub fn delete(path: &str) -> Call {
        Call::new(Method::DELETE, path)
    }

    /// Adds a query argument; the value is encoded here.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl std::fmt::Display) -> Call {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{mark}{name}={}", self.target, segment(&value.to_string()));
        self
    }

    /// As [`query`](Call::query), where there is something to say.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl std::fmt::Display>) -> Call {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// With a JSON body.
    #[must_use]
    pub fn body(mut self, value: &Value) -> Call {
        self.body = Some(Bytes::from(value.to_string()));
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Call {
        self.headers.push((name, value));
        self
    }

    /// The answer may take as long as it takes: the daemon waits for something or works through its files.
    #[must_use]
    pub fn patient(self) -> Call {
        self.within(Duration::MAX)
    }

    /// The answer may take so long.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Call {
        self.limit = limit;
        self
    }
}

/// One segment of a path or one value of a query, percent-encoded.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

type Sender = SendRequest<Full<Bytes>>;

/// A client of one daemon.
pub struct Client {
    place: Place,
    token: Option<Secret>,
    /// The account it acts for.
    acting: Option<HeaderValue>,
    kept: Option<Sender>,
}

impl Client {
    /// For the daemon at `place`, with the rights of `token` or, without one, of this user.
    pub fn new(place: Place, token: Option<Secret>) -> Client {
        Client { place, token, acting: None, kept: None }
    }

    /// Acts for an account from now on; only an operator may, over the Unix socket.
    #[must_use]
    pub fn acting(mut self, account: Option<HeaderValue>) -> Client {
        self.acting = account;
        self
    }

    /// Another client of the same daemon, with connections of its own.
    pub fn another(&self) -> Client {
        Client::new(self.place.clone(), self.token.clone()).acting(self.acting.clone())
    }

    /// Where the daemon is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Makes a request and reads its answer as JSON; an empty answer is `null`.
    ///
    /// # Errors
    /// No daemon, no success, or no JSON.
    pub async fn ask(&mut self, call: Call) -> Result<Value, CallError> {
        let (status, bytes) = self.answer(call).await?;
        if !status.is_success() {
            return Err(CallError::Refused { status, message: refusal(status, &bytes) });
        }
        self.json(&bytes)
    }

    /// As [`ask`](Client::ask), of the family that says no in its envelope with any status: what is in `content`.
    ///
    /// # Errors
    /// Those of [`ask`](Client::ask), and a refusal with a status of success.
    pub async fn content(&mut self, call: Call) -> Result<Value, CallError> {
        let mut answer = self.ask(call).await?;
        if answer.get("ok") == Some(&Value::Bool(false)) {
            let message = answer.get("message").and_then(Value::as_str).unwrap_or("no reason").to_owned();
            return Err(CallError::Refused { status: StatusCode::OK, message });
        }
        Ok(answer.get_mut("content").map(Value::take).unwrap_or_default())
    }

    /// Makes a request and gives its status and its JSON, whether it is a refusal or not; what is no JSON is `null`.
    ///
    /// # Errors
    /// No answer.
    pub async fn verdict(&mut self, call: Call) -> Result<(StatusCode, Value), CallError> {
        let (status, bytes) = self.answer(call).await?;
        if status.is_success() {
            return Ok((status, self.json(&bytes)?));
        }
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// The whole answer, in the time the call gives it.
    async fn answer(&mut self, call: Call) -> Result<(StatusCode, Vec<u8>), CallError> {
        let silent = CallError::Silent { place: self.place.to_string() };
        tokio::time::timeout(call.limit, self.exchange(call)).await.map_err(|_| silent)?
    }

    fn json(&self, bytes: &[u8]) -> Result<Value, CallError> {
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(bytes).map_err(|error| self.strange(&format!("no JSON ({error})")))
    }

    /// As [`ask`](Client::ask), of the family whose answers come in an envelope: what is in it.
    ///
    /// # Errors
    /// Those of [`ask`](Client::ask).
    pub async fn data(&mut self, call: Call) -> Result<Value, CallError> {
        let mut answer = self.ask(call).await?;
        Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
    }

    async fn exchange(&mut self, call: Call) -> Result<(StatusCode, Vec<u8>), CallError> {
        let response = match self.kept.take().filter(|sender| sender.is_ready()) {
            Some(mut sender) => match sender.send_request(self.request(&call)?).await {
                // The daemon closed it for being idle before it took the request: nothing has happened yet.
                Err(error) if error.is_canceled() => self.fresh(&call).await?,
                sent => (sent.map_err(|error| self.lost(error))?, sender),
            },
            None => self.fresh(&call).await?,
        };
        let (response, sender) = response;
        let (status, bytes) = self.whole(response).await?;
        self.kept = Some(sender);
        Ok((status, bytes))
    }

    /// Makes a request whose answer is read piece by piece, on a connection of its own.
    ///
    /// # Errors
    /// No daemon, or no success.
    pub async fn open(&self, call: Call) -> Result<Pieces, CallError> {
        let silent = CallError::Silent { place: self.place.to_string() };
        let (response, sender) = tokio::time::timeout(call.limit, self.fresh(&call)).await.map_err(|_| silent)??;
        if !response.status().is_success() {
            let (status, bytes) = self.whole(response).await?;
            return Err(CallError::Refused { status, message: refusal(status, &bytes) });
        }
        let length = response.headers().get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
        Ok(Pieces { place: self.place.to_string(), body: response.into_body(), length, _sender: sender })
    }

    /// The status of an answer, whatever it is; for probes.
    ///
    /// # Errors
    /// No answer.
    pub async fn status(&self, call: Call) -> Result<StatusCode, CallError> {
        Ok(self.fresh(&call).await?.0.status())
    }

    async fn fresh(&self, call: &Call) -> Result<(Response<Incoming>, Sender), CallError> {
        let wire = self.place.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(|error| self.lost(error))?;
        // It ends with its last user; whatever goes wrong is told by the request that meets it.
        tokio::spawn(async move { connection.await.ok() });
        let response = sender.send_request(self.request(call)?).await.map_err(|error| self.lost(error))?;
        Ok((response, sender))
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, CallError> {
        let mut request = Request::builder().method(&call.method).uri(&call.target).header(HOST, self.place.host());
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| self.strange("the token file holds characters no token has"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(account) = &self.acting {
            request = request.header(ACTS_FOR, account);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request = request.header(ACCEPT, "*/*");
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let body = Full::new(call.body.clone().unwrap_or_default());
        request.body(body).map_err(|error| self.strange(&error.to_string()))
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<(StatusCode, Vec<u8>), CallError> {
        let status = response.status();
        let mut body = response.into_body();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.lost(error))?;
            whole.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            if whole.len() > ANSWER_MAX {
                return Err(self.strange(&format!("an answer of more than {ANSWER_MAX} bytes")));
            }
        }
        Ok((status, whole))
    }

    fn lost(&self, source: hyper::Error) -> CallError {
        CallError::Lost { place: self.place.to_string(), source }
    }

    fn strange(&self, why: &str) -> CallError {
        CallError::Strange { place: self.place.to_string(), why: why.to_owned() }
    }
}

/// What the daemon said no with, in any family's shape.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["msg", "error", "message", "errors"].iter().find_map(|key| json.get(key)?.as_str());
    let text = String::from_utf8_lossy(body);
    let text = said.unwrap_or(text.trim());
    let words =
        if text.is_empty() || text.len() > 1000 { status.canonical_reason().unwrap_or("no reason") } else { text };
    match status {
        StatusCode::UNAUTHORIZED => {
            format!("{words} (401): --token-file takes a token; operators need none over the Unix socket")
        }
        _ => format!("{words} ({})", status.as_u16()),
    }
}

/// An answer that comes as it is made.
pub struct Pieces {
    place: String,
    body: Incoming,
    /// How many bytes the whole will be, where the daemon knows.
    pub length: Option<u64>,
    /// The connection lives as long as this.
    _sender: Sender,
}

impl Pieces {
    /// The next piece; none at the proper end.
    ///
    /// # Errors
    /// The connection ended before that.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|source| CallError::Lost { place: self.place.clone(), source })?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
