//! JSON in and out.

use super::house::Facts;
use crate::auth::Scope;
use crate::auth::audit::{Entry, Outcome};
use crate::auth::tokens::Token;
use crate::base::{Secret, Wall, Why, duration};
use crate::store::{Report, Stats};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST tokens`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenIn {
    /// One is made up where it is missing.
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) scopes: Vec<Scope>,
    /// The name of the user as whom its tasks run; the caller's own where it is missing.
    #[serde(default)]
    pub(super) user: Option<String>,
    /// RFC 3339, or a duration from now; never where it is missing.
    #[serde(default)]
    pub(super) expires: Option<Value>,
}

impl TokenIn {
    /// The moment of expiry.
    ///
    /// # Errors
    /// It is neither a moment nor a duration, or lies beyond the calendar.
    pub(super) fn expiry(&self, now: Wall) -> Result<Option<Wall>, String> {
        let Some(given) = &self.expires else { return Ok(None) };
        if let Some(moment) = given.as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok()) {
            return Ok(Some(moment.to_utc()));
        }
        let from_now =
            duration::from_json(given).map_err(|why| format!("expires: {why}, or a moment as in RFC 3339"))?;
        let moment = chrono::TimeDelta::from_std(from_now).ok().and_then(|by| now.checked_add_signed(by));
        moment.map(Some).ok_or_else(|| "expires: that is beyond the calendar".to_owned())
    }
}

/// A moment in the past, given as RFC 3339 or as how long ago.
///
/// # Errors
/// It is neither.
pub(super) fn since(text: &str, now: Wall) -> Result<Wall, String> {
    if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let ago = duration::parse(text).map_err(|why| format!("since: {why}, or a moment as in RFC 3339"))?;
    let moment = chrono::TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago));
    Ok(moment.unwrap_or(Wall::MIN_UTC))
}

/// What came of a request, in `GET audit?outcome=`.
///
/// # Errors
/// It is no such word.
pub(super) fn outcome(text: &str) -> Result<Outcome, String> {
    match text {
        "done" => Ok(Outcome::Done),
        "refused" => Ok(Outcome::Refused),
        "failed" => Ok(Outcome::Failed),
        other => Err(format!("outcome is done, refused or failed, not \"{}\"", other.escape_debug())),
    }
}

/// A token. Its text is there only in the answer that makes it.
#[derive(Serialize)]
pub(super) struct TokenOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    id: u64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    bio: String,
    /// What it is good for, also where its owner asked for all that there is.
    scopes: Vec<Scope>,
    /// `active`, `inactive` or `expired`.
    state: &'static str,
    expires: Option<Wall>,
    expired: bool,
    /// The uid of the user whose it is.
    owner: Option<u32>,
    /// The account whose it is: its number, and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<String>,
    created: Wall,
    created_by: String,
    /// Since the daemon started.
    last_used: Option<Wall>,
}

impl TokenOut {
    /// `name_of` names an account.
    pub(super) fn of(
        token: Token,
        text: Option<&Secret>,
        name_of: impl FnOnce(u32) -> Option<String>,
        now: Wall,
    ) -> TokenOut {
        let account = token.owner.account();
        let expired = token.expires.is_some_and(|at| at <= now);
        TokenOut {
            token: text.map(|text| text.expose().to_owned()),
            id: token.id,
            scopes: token.rights().to_vec(),
            name: token.name,
            bio: token.bio,
            state: match token.active {
                false => "inactive",
                true if expired => "expired",
                true => "active",
            },
            expires: token.expires,
            expired,
            owner: token.owner.uid(),
            account,
            account_name: account.and_then(name_of),
            created: token.created,
            created_by: token.created_by,
            last_used: token.last_used,
        }
    }
}

/// `GET tokens`
#[derive(Serialize)]
pub(super) struct TokensOut {
    pub(super) tokens: Vec<TokenOut>,
}

/// `GET audit`, newest first.
#[derive(Serialize)]
pub(super) struct AuditOut {
    pub(super) entries: Vec<Entry>,
}

/// `POST upgrade`
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct UpgradeIn {
    #[serde(default)]
    pub(super) binary: Option<std::path::PathBuf>,
}

/// `POST check`
#[derive(Serialize)]
pub(super) struct CheckOut {
    ok: bool,
    /// Records and objects read.
    records: u64,
    objects: u64,
    /// How many things are wrong; of very many, not all are among the findings.
    wrong: u64,
    findings: Vec<String>,
}

impl From<Report> for CheckOut {
    fn from(report: Report) -> CheckOut {
        let Report { records, objects, wrong, findings } = report;
        CheckOut { ok: wrong == 0, records, objects, wrong, findings }
    }
}

/// `GET why/{name}`
#[derive(Serialize)]
pub(super) struct WhyOut {
    pub(super) name: String,
    /// One for each room that has something of this name.
    pub(super) answers: Vec<AnswerOut>,
}

/// What one room says.
#[derive(Serialize)]
pub(super) struct AnswerOut {
    room: &'static str,
    sentences: Vec<String>,
    facts: Value,
}

impl AnswerOut {
    pub(super) fn of(room: &'static str, why: Why) -> AnswerOut {
        AnswerOut { room, sentences: why.sentences, facts: why.facts }
    }
}

/// `GET status`: for everybody who is known.
#[derive(Serialize)]
pub(super) struct StatusOut {
    version: &'static str,
    /// `serving`, or `degraded`.
    state: &'static str,
    started: Wall,
    /// Seconds.
    uptime: i64,
    /// Only for operators.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    inside: Option<InsideOut>,
}

/// The rest of `GET status`: for operators.
#[derive(Serialize)]
struct InsideOut {
    degraded: Option<String>,
    keeper_pid: i32,
    core_pid: i32,
    core_started: Wall,
    uid: u32,
    children: usize,
    listeners: Vec<ListenerOut>,
    data_dir: String,
    cgroup: CgroupOut,
    store: StoreOut,
}

#[derive(Serialize)]
struct ListenerOut {
    address: String,
    tls: bool,
}

#[derive(Serialize)]
struct CgroupOut {
    used: bool,
    path: Option<String>,
    /// Why none is used.
    why: Option<String>,
}

#[derive(Serialize)]
struct StoreOut {
    size_on_disk: u64,
    live_bytes: u64,
    commits: u64,
    last_commit_seconds: f64,
    queued: usize,
    full: bool,
    free: u64,
    reserve: u64,
    repaired: Option<String>,
}

impl StatusOut {
    pub(super) fn of(facts: Facts, store: Stats, inside: bool, now: Wall) -> StatusOut {
        StatusOut {
            version: env!("CARGO_PKG_VERSION"),
            state: if facts.degraded.is_some() { "degraded" } else { "serving" },
            started: facts.started,
            uptime: (now - facts.started).num_seconds().max(0),
            inside: inside.then(|| InsideOut::of(facts, store)),
        }
    }
}

impl InsideOut {
    fn of(facts: Facts, store: Stats) -> InsideOut {
        let listeners = facts.listeners.into_iter();
        InsideOut {
            degraded: facts.degraded,
            keeper_pid: facts.keeper_pid,
            core_pid: facts.core_pid,
            core_started: facts.core_started,
            uid: facts.uid,
            children: facts.children,
            listeners: listeners.map(|at| ListenerOut { address: at.address, tls: at.tls }).collect(),
            data_dir: facts.data_dir.display().to_string(),
            cgroup: CgroupOut {
                used: facts.cgroup.is_ok(),
                path: facts.cgroup.as_ref().ok().map(|path| path.display().to_string()),
                why: facts.cgroup.err(),
            },
            store: StoreOut {
                size_on_disk: store.size_on_disk,
                live_bytes: store.live_bytes,
                commits: store.commits,
                last_commit_seconds: store.last_commit.as_secs_f64(),
                queued: store.queued,
                full: store.full,
                free: store.free,
                reserve: store.reserve,
                repaired: store.repaired,
            },
        }
    }
}
