//! `cache`: downloads that are kept for the next one who wants them.
//!
//! Every verb is one file. `naming` says which content is meant, `progress` waits until it is there, `landing` puts a file
//! where it is wanted: whole or not at all.

mod copying;
mod get;
mod image;
mod landing;
mod list;
mod naming;
mod pin;
mod preheat;
mod progress;
mod rm;
mod stat;
mod upkeep;

#[cfg(test)]
pub(super) use get::file_name;
pub(super) use landing::Landing;
pub(super) use progress::{download_bar, set_length};

use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::{Args, Subcommand};
use serde_json::Value;

/// Downloads, kept: get files, warm and clear the cache, see what it holds
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler cache get https://example.com/big.iso
  hostler cache preheat --image --wait oci://docker.io/library/alpine:3.20
  hostler cache list --q alpine
  hostler cache usage

What is here is served again without asking where it came from; --revalidate asks. Other programs
use the cache as their HTTP proxy or registry mirror: see [cache.proxy] in the configuration."
)]
pub(super) struct Cache {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Get(Box<get::Get>),
    Preheat(Box<preheat::Preheat>),
    List(list::List),
    Stat(stat::Stat),
    Rm(rm::Rm),
    Image(image::Image),
    Pin(pin::Pin),
    Unpin(pin::Unpin),
    Verify(upkeep::Verify),
    Gc(upkeep::Gc),
    Usage(upkeep::Usage),
}

impl Cache {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Get(verb) => verb.run(at).await,
            Verb::Preheat(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Stat(verb) => verb.run(at).await,
            Verb::Rm(verb) => verb.run(at).await,
            Verb::Image(verb) => verb.run(at).await,
            Verb::Pin(verb) => verb.run(at).await,
            Verb::Unpin(verb) => verb.run(at).await,
            Verb::Verify(verb) => verb.run(at).await,
            Verb::Gc(verb) => verb.run(at).await,
            Verb::Usage(verb) => verb.run(at).await,
        }
    }
}

/// A text of an object; nothing where there is none.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number of an object, where there is one.
pub(super) fn number(object: &Value, key: &str) -> Option<u64> {
    object.get(key).and_then(Value::as_u64)
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}
