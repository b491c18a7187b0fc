//! A server that answers as a test says, and remembers what it was asked.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A request as it came.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Seen {
    pub(in crate::cache) method: String,
    pub(in crate::cache) target: String,
    pub(in crate::cache) headers: hyper::HeaderMap,
    pub(in crate::cache) body: String,
}

impl Seen {
    /// The value of a header, or nothing.
    pub(in crate::cache) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What follows the bytes of a reply.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Proper,
    Stuck,
    Cut,
    /// There is not even a head.
    Never,
}

/// An answer.
#[derive(Clone)]
pub(in crate::cache) struct Reply {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    end: End,
}

impl Reply {
    pub(in crate::cache) fn text(text: impl Into<String>) -> Reply {
        Reply { status: 200, headers: Vec::new(), body: text.into().into(), end: End::Proper }
    }

    pub(in crate::cache) fn status(status: u16) -> Reply {
        Reply { status, ..Reply::text("") }
    }

    pub(in crate::cache) fn with(mut self, name: HeaderName, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// There is no answer.
    pub(in crate::cache) fn never() -> Reply {
        Reply { end: End::Never, ..Reply::text("") }
    }

    /// Nothing comes after the body, and it does not end.
    pub(in crate::cache) fn stuck(self) -> Reply {
        Reply { end: End::Stuck, ..self }
    }

    /// The connection ends where more was promised.
    pub(in crate::cache) fn cut(self) -> Reply {
        Reply { end: End::Cut, ..self }
    }
}

/// The server; it ends with the test's runtime.
pub(in crate::cache) struct Double {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Double {
    pub(in crate::cache) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Double {
        Double::serve(None, answer).await
    }

    pub(in crate::cache) async fn tls(
        certificate: &str,
        key: &str,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Double {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Double::serve(Some(TlsAcceptor::from(Arc::new(config))), answer).await
    }

    async fn serve(tls: Option<TlsAcceptor>, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let double = Double { address, scheme, seen: seen.clone() };
        let answer: Arc<dyn Fn(&Seen) -> Reply + Send + Sync> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(stream, seen, answer).await,
                        // A client that does not trust us leaves.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                connection(stream, seen, answer).await;
                            }
                        }
                    }
                });
            }
        });
        double
    }

    /// An address on which nobody listens.
    pub(in crate::cache) async fn unused() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    pub(in crate::cache) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::cache) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// All requests so far.
    pub(in crate::cache) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

type Answering = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

async fn connection<S>(stream: S, seen: Arc<Mutex<Vec<Seen>>>, answer: Answering)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, answer) = (seen.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let asked = Seen {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                headers: head.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            seen.lock().unwrap().push(asked.clone());
            let reply = answer(&asked);
            if reply.end == End::Never {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(response(reply))
        }
    });
    // A client may leave at any time.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn response(reply: Reply) -> Response<StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let first = stream::iter([Ok(Frame::data(reply.body.clone()))]);
    let body = match reply.end {
        End::Stuck => first.chain(stream::pending()).boxed(),
        End::Cut => {
            response = response.header(CONTENT_LENGTH, reply.body.len() + 1);
            // What came before is sent while there is nothing to send.
            let cut = async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut"))
            };
            first.chain(stream::once(cut)).boxed()
        }
        End::Proper | End::Never => {
            response = response.header(CONTENT_LENGTH, reply.body.len());
            first.boxed()
        }
    };
    response.body(StreamBody::new(body)).unwrap()
}
