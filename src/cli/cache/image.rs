//! `cache image`: how much of an image is here.

use super::naming::{Naming, header, headers};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Show the blobs of an image, and which of them the cache holds; exits 1 when one is missing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache image oci://docker.io/library/alpine:3.20
  hostler cache image https://registry.example.com/v2/team/app/manifests/v1 --platform linux/arm64

The registry is asked what the image is made of. `hostler cache preheat --image` fetches what is
missing.")]
pub(super) struct Image {
    /// oci://HOST/REPOSITORY:TAG, or the address of its manifest
    #[arg(value_name = "URL")]
    address: String,
    /// OS/ARCHITECTURE[/VARIANT], or all [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    naming: Naming,
    /// Sent to the registry, as 'NAME: VALUE'; repeatable
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
}

impl Image {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut args = self.naming.fields();
        args.insert("url".to_owned(), self.address.as_str().into());
        if let Some(platform) = &self.platform {
            args.insert("platform".to_owned(), platform.as_str().into());
        }
        if let Some(headers) = headers(&self.headers) {
            args.insert("headers".to_owned(), headers);
        }
        let body = json!({ "type": "get_image_distribution", "args": args });
        let answer = at.client.ask(Call::post("/oapi/v1/jobs").body(&body).patient()).await?;
        let urls = |layers: &Value| {
            let layers = layers.as_array().into_iter().flatten();
            layers.filter_map(|layer| Some(layer.get("url")?.as_str()?.to_owned())).collect::<Vec<_>>()
        };
        let peers = answer["peers"].as_array().into_iter().flatten();
        let cached: HashSet<String> = peers.flat_map(|peer| urls(&peer["cached_layers"])).collect();
        let layers = urls(&answer["image"]["layers"]);
        let whole = layers.iter().all(|layer| cached.contains(layer));
        match at.out.json() {
            true => at.out.value(&answer)?,
            false => {
                let state = |layer: &String| if cached.contains(layer) { "cached" } else { "missing" }.to_owned();
                let rows: Vec<_> = layers.iter().map(|layer| vec![state(layer), layer.clone()]).collect();
                at.out.table(&["STATE", "BLOB"], &rows)?;
            }
        }
        Ok(if whole { Exit::Done } else { Exit::Unhealthy })
    }
}
