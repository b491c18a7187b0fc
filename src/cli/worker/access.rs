//! Whether a worker may be handed tasks, and how it comes to that.
//!
//! ```text
//! granted? ── yes ──> work
//!   no ──> ask for it ──> grant it, if whoever runs this may ──> work
//!                           may not: public? ── yes ──> work, without the project's secret
//!                                      no ──> say what to do, and look again, less and less often
//! ```

use super::service::{Pauses, Service, tell};
use crate::cli::exit::Problem;
use hyper::StatusCode;
use std::time::Duration;
use tokio::time::sleep;

/// The pauses between looks grow from this …
const FIRST: Duration = Duration::from_secs(1);
/// … to this.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns when the worker may be handed tasks. `grant`: whoever runs this grants it himself where he may; not so to a
/// worker from whom it was taken while it worked. Safe to drop.
///
/// # Errors
/// The daemon cannot be asked, or the project is not there.
pub(super) async fn obtain(service: &mut Service, grant: bool) -> Result<(), Problem> {
    let mut pauses = Pauses::new(FIRST, LONGEST);
    let mut told = false;
    loop {
        // Who may be handed tasks may know the secret, and nobody else.
        if service.secret().await?.is_some() {
            return Ok(());
        }
        match service.request().await? {
            status if status.is_success() => {}
            // It has asked before.
            StatusCode::BAD_REQUEST => {}
            // The daemon has forgotten this worker, or it is another's daemon.
            StatusCode::UNAUTHORIZED => {
                let lost = service.identity().await;
                service.renew(&lost).await?;
                sleep(pauses.grow()).await;
                continue;
            }
            status => return Err(Problem::Misuse(format!("access cannot be asked for ({})", status.as_u16()))),
        }
        // What was granted is what was asked for once, and may not be this.
        if grant && service.accept().await? && service.secret().await?.is_some() {
            return Ok(());
        }
        if service.project.public {
            return Ok(());
        }
        if !std::mem::replace(&mut told, true) {
            let (worker, project) = (service.identity().await, service.project.clone());
            tell(&format!(
                "worker {} ({}) waits for access to {}: a manager grants it by `hostler project access grant {} {}`",
                worker.id, worker.alias, project.name, project.name, worker.id
            ));
        }
        sleep(pauses.grow()).await;
    }
}
