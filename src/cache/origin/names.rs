//! Names become addresses on the way to a connection, and are checked there: between the check and the connection nobody
//! can change his mind.

use super::OriginError;
use super::reach::Reach;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error;

/// The system's resolver for connections to one port; what may not be connected to is left out.
pub(super) struct Names {
    pub(super) reach: Reach,
    pub(super) port: u16,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, port) = (self.reach.clone(), self.port);
        Box::pin(async move {
            // On the blocking pool.
            let found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(|error| {
                let why = format!("the name {} cannot be resolved: {error}", name.as_str());
                Box::new(OriginError::Unreachable(why)) as Box<dyn Error + Send + Sync>
            })?;
            let (mut allowed, mut refusal) = (Vec::new(), None);
            for address in found {
                match reach.check(name.as_str(), address) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refusal = refusal.or(Some(why)),
                }
            }
            match refusal {
                _ if !allowed.is_empty() => Ok(Box::new(allowed.into_iter()) as Addrs),
                Some(refusal) => Err(refusal.into()),
                None => Err(OriginError::Unreachable(format!("the name {} has no address", name.as_str())).into()),
            }
        })
    }
}
