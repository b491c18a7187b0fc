//! Asking registries before answering: what there is of an image is said at once.

use super::answer::{elsewhere, ending, unusable};
use crate::cache::engine::Handle;
use crate::cache::model::{Image, Platform};
use crate::cache::registry::{Credentials, ResolveError};
use crate::cache::wire::secrets::Secrets;
use crate::http::{Cx, Failure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::time::Duration;

/// How many images are asked for at once.
const AT_ONCE: usize = 4;

/// What goes along with requests.
pub(super) fn credentials(secrets: Secrets) -> Credentials {
    Credentials { headers: secrets.headers, account: secrets.account }
}

/// The addresses of the blobs of these images, each once, in order; within this time.
///
/// # Errors
/// 422: an image has nothing for the platform. 502: a registry refuses, or takes too long. 503: the daemon ends.
pub(super) async fn resolve(
    handle: &Handle,
    cx: &Cx,
    (images, platform, limit): (Vec<Image>, Platform, Duration),
    credentials: Credentials,
) -> Result<Vec<String>, Failure> {
    let asked = stream::iter(images).map(|image| {
        let (handle, platform, credentials) = (handle.clone(), platform.clone(), credentials.clone());
        async move {
            let resolved = handle.resolve(image, platform, credentials).await?;
            resolved.map(|resolved| resolved.blobs).map_err(refused)
        }
    });
    let all = asked.buffered(AT_ONCE).try_collect::<Vec<Vec<String>>>();
    let found = tokio::select! {
        found = tokio::time::timeout(limit, all) => found,
        () = cx.drained() => return Err(ending()),
    };
    let found = found.map_err(|_| {
        let limit = humantime::format_duration(limit);
        elsewhere(format!("the registry has not answered within the timeout of {limit}"))
    })??;
    let mut seen = std::collections::HashSet::new();
    Ok(found.into_iter().flatten().filter(|blob| seen.insert(blob.clone())).collect())
}

fn refused(why: ResolveError) -> Failure {
    match why {
        ResolveError::NoMatch { .. } => unusable(why.to_string()),
        ResolveError::Registry(why) => elsewhere(why),
    }
}
