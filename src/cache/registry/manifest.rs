//! Manifests, as registries write them: of one machine's image, or lists of those.

use crate::cache::model::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha512};

/// What is asked for. Images of all ages.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.v1+prettyjws, \
    application/vnd.docker.distribution.manifest.v1+json";

/// Marks an entry of a list that is about another one.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// A manifest.
#[derive(Debug)]
pub(super) enum Manifest {
    /// The digests of its blobs: the configuration where it has one, then its layers from the lowest.
    Image(Vec<Digest>),
    /// For each machine another one.
    Index(Vec<Entry>),
}

/// An entry of a list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    /// Operating system, architecture and variant, where it says so.
    pub(super) platform: Option<(String, String, Option<String>)>,
    /// It is a list itself.
    pub(super) is_index: bool,
}

/// Reads a manifest.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Manifest, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let has = |name: &str| value.get(name).is_some_and(Value::is_array);
    match (has("manifests"), has("layers"), has("fsLayers")) {
        (true, false, false) => index(bytes),
        (false, true, false) => image(bytes),
        (false, false, true) => old(&value),
        // One that is read in two ways means two things.
        _ => Err("expected one of manifests, layers and fsLayers in it".to_owned()),
    }
}

fn index(bytes: &[u8]) -> Result<Manifest, String> {
    let index: ImageIndex =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no list of manifests: {error}"))?;
    let entry = |one: &Descriptor| {
        let platform = one.platform().as_ref();
        Ok(Entry {
            digest: digest(one.digest().as_ref())?,
            platform: platform.map(|machine| {
                (machine.os().to_string(), machine.architecture().to_string(), machine.variant().clone())
            }),
            is_index: is_list(one.media_type().as_ref()),
        })
    };
    // Signatures and the like are no images.
    let is_image = |one: &&Descriptor| {
        let about_another = one.annotations().as_ref().is_some_and(|notes| notes.contains_key(REFERENCE_TYPE));
        let machine =
            one.platform().as_ref().map(|machine| (machine.os().to_string(), machine.architecture().to_string()));
        !about_another && machine.is_none_or(|(os, architecture)| os != "unknown" && architecture != "unknown")
    };
    index.manifests().iter().filter(is_image).map(entry).collect::<Result<_, String>>().map(Manifest::Index)
}

fn is_list(media_type: &str) -> bool {
    media_type == "application/vnd.oci.image.index.v1+json"
        || media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
}

fn image(bytes: &[u8]) -> Result<Manifest, String> {
    let image: ImageManifest = serde_json::from_slice(bytes).map_err(|error| format!("it is no manifest: {error}"))?;
    // Layers that may not be given away are not in the registry but where they say.
    let is_here = |layer: &&Descriptor| {
        let media_type = layer.media_type().to_string();
        let foreign = media_type.contains(".foreign.") || media_type.contains(".nondistributable.");
        !(foreign && layer.urls().as_ref().is_some_and(|urls| !urls.is_empty()))
    };
    let blobs = std::iter::once(image.config()).chain(image.layers().iter().filter(is_here));
    blobs.map(|blob| digest(blob.digest().as_ref())).collect::<Result<_, String>>().map(Manifest::Image)
}

/// The first schema: layers alone, the highest first.
fn old(value: &Value) -> Result<Manifest, String> {
    let layers = value.get("fsLayers").and_then(Value::as_array).into_iter().flatten().rev();
    let blob = |layer: &Value| digest(layer.get("blobSum").and_then(Value::as_str).unwrap_or_default());
    layers.map(blob).collect::<Result<_, String>>().map(Manifest::Image)
}

fn digest(text: &str) -> Result<Digest, String> {
    let digest = text.parse::<Digest>().map_err(|error| error.to_string())?;
    if digest.is_strong() { Ok(digest) } else { Err(format!("expected sha256:HEX or sha512:HEX, not \"{digest}\"")) }
}

/// Whether these are the bytes that a digest names. The signatures of the first schema are not part of what is named.
pub(super) fn is_named(bytes: &[u8], digest: &Digest) -> bool {
    is(bytes, digest) || unsigned(bytes).is_some_and(|payload| is(&payload, digest))
}

fn is(bytes: &[u8], digest: &Digest) -> bool {
    match digest {
        Digest::Sha256(expected) => Sha256::digest(bytes)[..] == expected[..],
        Digest::Sha512(expected) => Sha512::digest(bytes)[..] == expected[..],
        Digest::Crc32(_) => false,
    }
}

/// What was signed: the beginning of the text and an end, as its first signature says.
fn unsigned(bytes: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let protected = value.get("signatures")?.get(0)?.get("protected")?.as_str()?;
    let protected: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(protected).ok()?).ok()?;
    let length = usize::try_from(protected.get("formatLength")?.as_u64()?).ok()?;
    let tail = URL_SAFE_NO_PAD.decode(protected.get("formatTail")?.as_str()?).ok()?;
    let payload = [bytes.get(..length)?, &tail].concat();
    // What is named must say what is read.
    let named: Value = serde_json::from_slice(&payload).ok()?;
    (named.get("fsLayers").is_some() && named.get("fsLayers") == value.get("fsLayers")).then_some(payload)
}
