//! The hidden `probe`: one look at a port or a page, made by a child that runs as the task's user, so that the daemon
//! lends nobody its own rights. It says nothing when all is well.

use crate::base::duration;
use crate::cli::client::{Call, Client};
use crate::cli::exit::{Exit, Problem};
use crate::cli::place::Place;
use clap::{Args, Subcommand};
use hyper::header::{HeaderValue, VIA};
use hyper::http::uri::Authority;
use std::time::Duration;

/// Look once whether something answers
#[derive(Debug, Args)]
pub(super) struct Probe {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A port that takes connections
    Tcp {
        /// HOST:PORT
        #[arg(value_name = "HOST:PORT")]
        address: String,
        /// How long that may take
        #[arg(long, value_name = "D", value_parser = duration::parse, default_value = "5s")]
        timeout: Duration,
    },
    /// A page with a good status
    Http {
        /// http://… or https://…
        url: String,
        /// How long that may take
        #[arg(long, value_name = "D", value_parser = duration::parse, default_value = "5s")]
        timeout: Duration,
        /// The status that is good [default: 200 to 299]
        #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..600))]
        expect_status: Option<u16>,
    },
}

impl Probe {
    pub(super) async fn run(self) -> Result<Exit, Problem> {
        let (look, timeout) = match self.what {
            What::Tcp { address, timeout } => (tokio::time::timeout(timeout, tcp(&address)).await, timeout),
            What::Http { url, timeout, expect_status } => {
                (tokio::time::timeout(timeout, http(&url, expect_status)).await, timeout)
            }
        };
        let late = |_| Problem::InVain(format!("no answer within {}", humantime::format_duration(timeout)));
        look.map_err(late)?.map(|()| Exit::Done)
    }
}

async fn tcp(address: &str) -> Result<(), Problem> {
    let expected = || Problem::Misuse(format!("\"{address}\" is not an address: expected HOST:PORT"));
    let parsed: Authority = address.parse().map_err(|_| expected())?;
    let port = parsed.port_u16().ok_or_else(expected)?;
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
    let connected = tokio::net::TcpStream::connect((host, port)).await;
    connected.map(drop).map_err(|error| Problem::InVain(format!("{address}: {error}")))
}

async fn http(url: &str, expected: Option<u16>) -> Result<(), Problem> {
    let (place, path) = Place::parse(url).map_err(Problem::Misuse)?;
    // Whatever listens there sees that this is no person's own request.
    let call = Call::get(&path).header(VIA, HeaderValue::from_static("1.1 hostler"));
    let status = Client::new(place, None).status(call).await.map_err(|error| Problem::InVain(reason(&error)))?;
    match expected {
        Some(wanted) if status.as_u16() == wanted => Ok(()),
        None if status.is_success() => Ok(()),
        _ => Err(Problem::InVain(format!("{url} answers {status}"))),
    }
}

/// What went wrong, without the advice meant for a daemon's own clients.
fn reason(error: &crate::cli::client::CallError) -> String {
    match error {
        crate::cli::client::CallError::Absent { place, source } => format!("{place}: {source}"),
        other => other.to_string(),
    }
}
