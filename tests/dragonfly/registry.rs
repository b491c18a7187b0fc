//! The registry R of the reference: one index of two platforms and an attestation under `team/app:v1`, the same under every
//! other repository, and three ways to ask who is there.

use crate::digest_of;
use crate::support::server::{Ask, Reply, Seen, Server};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub const CONFIG: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
pub const LAYER_A: &str = "7865227e0db06199ce8f392876e6ad4e2a2f4b00b14c1b926a414e47fc741e3f";
pub const LAYER_B: &str = "66cf4c643f87d1e41d01e241bbac4d0d04c74e10a40658a048fe5b1409ead6f0";

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The name and password that a registry knows.
pub const ACCOUNT: (&str, &str) = ("puller", "open sesame");

/// What `Authorization: Basic` says of them.
pub fn basic() -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", ACCOUNT.0, ACCOUNT.1)))
}

/// Who may pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Open,
    /// Whoever has a token; for that, an account or nothing.
    Bearer {
        account: bool,
    },
    Basic,
    /// Whoever sends exactly this.
    Exactly(&'static str),
}

/// The fixture's contents, by digest (without `sha256:`), and what its manifests are.
pub struct Image {
    pub contents: BTreeMap<String, Vec<u8>>,
    pub index: String,
    /// The manifests of linux/amd64, linux/arm64 and unknown/unknown.
    pub manifests: [String; 3],
    /// Blobs of the same, the config first.
    pub blobs: [Vec<String>; 3],
}

impl Image {
    pub fn fixture() -> Image {
        let mut contents = BTreeMap::new();
        let mut add = |bytes: &[u8]| {
            let digest = digest_of(bytes);
            contents.insert(digest.clone(), bytes.to_vec());
            (digest, bytes.len())
        };
        let mut entries = Vec::new();
        let platforms = [
            ("linux", "amd64", &b"{}"[..], &[&b"layer-a\n"[..], b"layer-b\n"][..]),
            ("linux", "arm64", b"{\"architecture\":\"arm64\"}", &[b"layer-arm\n"]),
            ("unknown", "unknown", b"{\"attestation\":true}", &[b"signed\n"]),
        ];
        let mut blobs = Vec::new();
        for (os, architecture, config, layers) in platforms {
            let (digest, size) = add(config);
            let mut of_it = vec![digest.clone()];
            let mut listed = Vec::new();
            for layer in layers {
                let (digest, size) = add(layer);
                of_it.push(digest.clone());
                let kind = "application/vnd.oci.image.layer.v1.tar";
                listed.push(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": size}));
            }
            blobs.push(of_it);
            let kind = "application/vnd.oci.image.config.v1+json";
            let config = json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": size});
            let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": listed});
            let (digest, size) = add(manifest.to_string().as_bytes());
            entries.push((digest, size, os, architecture));
        }
        let listed: Vec<Value> = entries
            .iter()
            .map(|(digest, size, os, architecture)| {
                let platform = json!({"os": os, "architecture": architecture});
                json!({"mediaType": MANIFEST, "digest": format!("sha256:{digest}"), "size": size, "platform": platform})
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed});
        let (index, _) = add(index.to_string().as_bytes());
        let mut manifests = entries.into_iter().map(|entry| entry.0);
        let manifests = std::array::from_fn(|_| manifests.next().expect("three of them"));
        let mut blobs = blobs.into_iter();
        Image { contents, index, manifests, blobs: std::array::from_fn(|_| blobs.next().expect("three of them")) }
    }

    /// Writes it down as a directory that `skopeo` reads as `oci:DIRECTORY:v1`.
    pub fn lay_out(&self, at: &Path) {
        let blobs = at.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).expect("a directory");
        for (digest, bytes) in &self.contents {
            std::fs::write(blobs.join(digest), bytes).expect("a blob");
        }
        let (digest, size) = (format!("sha256:{}", self.index), self.contents[&self.index].len());
        let name = json!({"org.opencontainers.image.ref.name": "v1"});
        let entry = json!({"mediaType": INDEX, "digest": digest, "size": size, "annotations": name});
        let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
        std::fs::write(at.join("index.json"), index).expect("the index");
        std::fs::write(at.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string()).expect("the layout");
    }

    fn is_manifest(&self, digest: &str) -> bool {
        self.index == digest || self.manifests.iter().any(|known| known == digest)
    }
}

#[derive(Default)]
struct Ways {
    /// Digests whose content is served wrong.
    wrong: BTreeSet<String>,
    /// Tokens, and for how many requests each is good.
    tokens: BTreeMap<String, u32>,
    /// How many requests a new one is good for; none: for all.
    uses: Option<u32>,
    given: u64,
}

/// A running registry.
pub struct Registry {
    server: Server,
    ways: Arc<Mutex<Ways>>,
    pub image: Arc<Image>,
}

impl Registry {
    pub fn start(access: Access) -> Registry {
        let ways: Arc<Mutex<Ways>> = Arc::default();
        let image = Arc::new(Image::fixture());
        let (known, content) = (Arc::clone(&ways), Arc::clone(&image));
        let server = Server::start(move |ask| {
            answer(access, &mut known.lock().unwrap_or_else(PoisonError::into_inner), &content, ask)
        });
        Registry { server, ways, image }
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The URL of the manifest of `team/app:v1`.
    pub fn manifest(&self) -> String {
        manifest_url(&self.base())
    }

    /// The URL of one of its blobs.
    pub fn blob(&self, digest: &str) -> String {
        blob_url(&self.base(), digest)
    }

    /// From now on other bytes of the same length come under this digest.
    pub fn falsify(&self, digest: &str) {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner).wrong.insert(digest.to_owned());
    }

    pub fn mend(&self) {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner).wrong.clear();
    }

    /// From now on a new token is good for so many requests.
    pub fn limit(&self, requests: u32) {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner).uses = Some(requests);
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What was asked for blobs.
    pub fn blobs_asked(&self) -> Vec<Seen> {
        self.server.seen().into_iter().filter(|seen| seen.ask.path.contains("/blobs/")).collect()
    }
}

pub fn manifest_url(base: &str) -> String {
    format!("{base}/v2/team/app/manifests/v1")
}

pub fn blob_url(base: &str, digest: &str) -> String {
    format!("{base}/v2/team/app/blobs/sha256:{digest}")
}

fn answer(access: Access, ways: &mut Ways, image: &Image, ask: &Ask) -> Reply {
    let shown = ask.header("authorization").unwrap_or_default();
    if ask.path == "/token" {
        let account = matches!(access, Access::Bearer { account: true });
        if account && (shown != basic() || ask.parameter("account").as_deref() != Some(ACCOUNT.0)) {
            return Reply::new(401, "{}");
        }
        ways.given += 1;
        let token = format!("given-{}", ways.given);
        ways.tokens.insert(token.clone(), ways.uses.unwrap_or(u32::MAX));
        return Reply::new(200, json!({"token": token}).to_string()).header("Content-Type", "application/json");
    }
    let host = ask.header("host").unwrap_or_default();
    let (may, challenge) = match access {
        Access::Open => (true, String::new()),
        Access::Bearer { .. } => {
            let token = shown.strip_prefix("Bearer ").unwrap_or_default();
            let scope = "repository:team/app:pull";
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"registry.test\",scope=\"{scope}\"");
            let left = ways.tokens.get_mut(token).filter(|left| **left > 0);
            let may = left.is_some();
            left.into_iter().for_each(|left| *left -= 1);
            (may, challenge)
        }
        Access::Basic => (shown == basic(), "Basic realm=\"registry.test\"".to_owned()),
        Access::Exactly(value) => (shown == value, "Basic realm=\"registry.test\"".to_owned()),
    };
    if !may {
        let body = json!({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]});
        return Reply::new(401, body.to_string()).header("WWW-Authenticate", &challenge);
    }
    if ask.path == "/v2/" {
        return Reply::new(200, "{}");
    }
    content(ways, image, &ask.path)
}

fn content(ways: &Ways, image: &Image, path: &str) -> Reply {
    let missing = || Reply::new(404, json!({"errors": [{"code": "MANIFEST_UNKNOWN"}]}).to_string());
    if let Some((_, reference)) = path.split_once("/manifests/") {
        let digest = match reference {
            "v1" => image.index.as_str(),
            other => other.trim_start_matches("sha256:"),
        };
        let Some(bytes) = image.contents.get(digest).filter(|_| image.is_manifest(digest)) else { return missing() };
        let kind = if digest == image.index { INDEX } else { MANIFEST };
        let reply = Reply::new(200, bytes.clone()).header("Content-Type", kind);
        return reply.header("Docker-Content-Digest", &format!("sha256:{digest}"));
    }
    let digest = path.split_once("/blobs/sha256:").map_or("", |(_, digest)| digest);
    let Some(bytes) = image.contents.get(digest) else { return missing() };
    let mut bytes = bytes.clone();
    if ways.wrong.contains(digest) {
        bytes.iter_mut().for_each(|byte| *byte ^= 0x20);
    }
    Reply::new(200, bytes).header("Content-Type", "application/octet-stream").header("Accept-Ranges", "bytes")
}
