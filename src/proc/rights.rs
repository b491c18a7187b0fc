//! Who may have a task run as whom, and with what. The daemon may do what its callers may not, so everything that
//! only a privileged process can do is asked of the caller before it is done for him.

use super::document::Refused;
use super::engine::Settings;
use super::model::*;
use crate::auth::users::{self, Account};
use crate::auth::{Caller, Denied};
use crate::http::Failure;
use nix::sys::resource::{Resource, getrlimit};

/// The uid this task runs as.
///
/// # Errors
/// 400 for a user or group that does not exist; 403 where only an operator may ask for it.
pub async fn check(caller: &Caller, definition: &Definition, settings: &Settings) -> Result<u32, Failure> {
    let own = caller.runs_as(settings.own_uid);
    let account = match &definition.user {
        None => users::by_uid(own).await.map_err(slow)?,
        Some(name) => {
            let found = users::by_name(name).await.map_err(slow)?;
            Some(found.ok_or_else(|| Refused::own("user", format!("user \"{name}\" does not exist")))?)
        }
    };
    let uid = account.as_ref().map_or(own, |account| account.uid);
    let group = match &definition.group {
        None => None,
        Some(name) => {
            let found = users::group_by_name(name).await.map_err(slow)?;
            Some(found.ok_or_else(|| Refused::own("group", format!("group \"{name}\" does not exist")))?)
        }
    };
    if !caller.is_operator() {
        let wanted = Wanted { uid, own, group, account: account.as_ref() };
        wanted
            .within(definition, settings)
            .map_err(|what| Denied::forbidden(format!("only an operator may {what}")))?;
    }
    Ok(uid)
}

fn slow(why: users::LookupError) -> Failure {
    Failure::unavailable(why.to_string())
}

/// What a caller without rights over others asks for.
struct Wanted<'a> {
    uid: u32,
    own: u32,
    group: Option<u32>,
    account: Option<&'a Account>,
}

impl Wanted<'_> {
    /// Whether he could do it all himself; if not, what he could not.
    fn within(&self, definition: &Definition, settings: &Settings) -> Result<(), String> {
        if self.uid != self.own {
            return Err("run a task as somebody else".into());
        }
        let is_member = |gid: u32| self.account.is_some_and(|account| account.groups.contains(&gid));
        if self.group.is_some_and(|gid| !is_member(gid)) {
            return Err("run a task with a group he is not in".into());
        }
        if definition.nice.is_some_and(|nice| nice.get() < 0) {
            return Err("give a negative `nice`".into());
        }
        if definition.oom_score_adj.is_some_and(|score| score.get() < 0) {
            return Err("give a negative `oom_score_adj`".into());
        }
        if definition.log_cap.is_some_and(|cap| cap > settings.log_max) {
            return Err(format!("set `log_max` above the configured {} bytes", settings.log_max));
        }
        let raised = definition.limits.rlimits.iter().find(|limit| limit.hard() > hard_limit(limit.resource()));
        match raised {
            Some(limit) => Err(format!("raise the hard limit of `{}`", limit.resource())),
            None => Ok(()),
        }
    }
}

/// The daemon's own hard limit, which an unprivileged process of its own would have; none for what it cannot read.
fn hard_limit(resource: &str) -> u64 {
    let resource = match resource {
        "as" => Resource::RLIMIT_AS,
        "core" => Resource::RLIMIT_CORE,
        "cpu" => Resource::RLIMIT_CPU,
        "data" => Resource::RLIMIT_DATA,
        "fsize" => Resource::RLIMIT_FSIZE,
        "locks" => Resource::RLIMIT_LOCKS,
        "memlock" => Resource::RLIMIT_MEMLOCK,
        "msgqueue" => Resource::RLIMIT_MSGQUEUE,
        "nice" => Resource::RLIMIT_NICE,
        "nofile" => Resource::RLIMIT_NOFILE,
        "nproc" => Resource::RLIMIT_NPROC,
        "rss" => Resource::RLIMIT_RSS,
        "rtprio" => Resource::RLIMIT_RTPRIO,
        "rttime" => Resource::RLIMIT_RTTIME,
        "sigpending" => Resource::RLIMIT_SIGPENDING,
        "stack" => Resource::RLIMIT_STACK,
        _ => return 0,
    };
    getrlimit(resource).map_or(0, |(_, hard)| hard)
}
