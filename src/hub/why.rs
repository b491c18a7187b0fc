//! Why a tag is well or not (`data/REP/ITEM:TAG`), and why an account is online or not (`hub/NAME`): the cause nearest to
//! the present first.

use super::engine::Handle;
use super::machine::{Room, Shown};
use super::model::{Access, AccountId, Item, ItemName, Member, OPERATOR, RepName, Requirements, Tag, TagName};
use crate::auth::Caller;
use crate::auth::accounts::BUILT_IN;
use crate::base::{Now, Wall, Why};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::json;
use std::sync::Arc;

impl Handle {
    /// Why `data/REP/ITEM:TAG` or `hub/NAME` is as it is; none when there is none, or the caller is no operator: nobody
    /// else is known to the hub by who he is on this host.
    pub fn why(&self, caller: &Caller, name: &str) -> Option<Why> {
        if !caller.is_operator() {
            return None;
        }
        match name.split_once('/')? {
            ("data", of) => self.why_tag(of),
            ("hub", of) => self.why_account(of),
            _ => None,
        }
    }

    fn why_tag(&self, of: &str) -> Option<Why> {
        let (rep, rest) = of.split_once('/')?;
        let (item, tag) = rest.split_once(':')?;
        let names = (RepName::new(rep).ok()?, ItemName::new(item).ok()?, TagName::new(tag).ok()?);
        let now = Now::read();
        let (item, tag, shown) = self.look(|room| find(room, &names, now))?;
        let owner = self.look(|room| room.repository(&item.rep).map(|repository| repository.owner))?;
        let owner = self.name_of(owner).unwrap_or_else(|| owner.to_string());
        let mut sentences = vec![standing(of, &tag, &shown), looks(&tag)];
        sentences.extend(requirements(&tag.requires));
        sentences.push(format!(
            "it is the file {} in {} of the pool {}, and was published at {}",
            tag.detail,
            item.dir,
            item.pool,
            moment(tag.made)
        ));
        sentences.push(match item.access {
            Access::Public => format!("it is {owner}'s, and anybody may read it"),
            Access::Private => format!("it is {owner}'s: nobody but {owner} and administrators may read it"),
        });
        let (status, reason) = match &shown {
            Shown::Normal => ("NORMAL", None),
            Shown::Abnormal { reason, .. } => ("ABNORMAL", Some(*reason)),
        };
        let facts = json!({
            "tag": of,
            "status": status,
            "reason": reason,
            "size": tag.digests.map(|digests| digests.size),
            "checked_at": tag.looked.get().map(moment),
            "hashed_at": tag.health.hashed.map(moment),
            "owner": owner,
        });
        Some(Why { sentences, facts })
    }

    fn why_account(&self, name: &str) -> Option<Why> {
        let account: AccountId = match self.accounts().by_name(name) {
            Some(account) => account.id,
            None if name == BUILT_IN => OPERATOR,
            None => return None,
        };
        let now = Now::read();
        let member = self.look(|room| room.member(account).cloned())?;
        let standing = self.standing(account);
        let last = standing.last_beat.and_then(|at| before(now, now.mono - at));
        let mut sentences = vec![match standing.online {
            true => format!("{name} is online"),
            false => format!("{name} is offline: {}", standing.why),
        }];
        sentences.push(match last {
            Some(at) => format!("its last heartbeat was at {}", moment(at)),
            None => "there was no heartbeat for it since the daemon started".to_owned(),
        });
        sentences.push(service(&member, !self.settings().entry.is_empty()));
        sentences.extend(requirements(&member.requires));
        let entries = self.entrypoints(account);
        sentences.push(match entries.is_empty() {
            true => "it can be reached nowhere".to_owned(),
            false => {
                let entries: Vec<_> = entries.iter().map(|entry| entry.as_str()).collect();
                format!("it can be reached at {}", entries.join(", "))
            }
        });
        let facts = json!({
            "account": name,
            "online": standing.online,
            "serving": member.serving,
            "last_beat": last.map(moment),
            "why": standing.why,
        });
        Some(Why { sentences, facts })
    }
}

type Names = (RepName, ItemName, TagName);

fn find(room: &Room, (rep, item, tag): &Names, now: Now) -> Option<(Arc<Item>, Arc<Tag>, Shown)> {
    let item = room.item(rep, item)?;
    let tag = room.tag(item.no, tag)?;
    Some((item.clone(), tag.clone(), room.shown(tag, now.mono)))
}

fn standing(name: &str, tag: &Tag, shown: &Shown) -> String {
    let since = moment(tag.health.since);
    match shown {
        Shown::Normal => format!("{name} is there and unchanged since {since}"),
        Shown::Abnormal { reason: "unverified", detail } => {
            let detail = after(detail);
            format!("{name} is not known to be what it was since {since}: its bytes have to be compared{detail}")
        }
        // These are not about its file.
        Shown::Abnormal { reason: reason @ ("requires" | "reported"), detail } => {
            format!("{name} is not well ({reason}){}; its file is as it is since {since}", after(detail))
        }
        Shown::Abnormal { reason, detail } => format!("{name} is not well since {since}: {reason}{}", after(detail)),
    }
}

fn after(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

fn looks(tag: &Tag) -> String {
    let looked = tag.looked.get().map_or_else(
        || "its file was not looked at since the daemon started".to_owned(),
        |at| format!("the last look at its file was at {}", moment(at)),
    );
    match tag.health.hashed {
        Some(at) => format!("{looked}, and its bytes were last compared at {}", moment(at)),
        None => format!("{looked}, and its bytes were never compared"),
    }
}

fn requirements(requires: &Requirements) -> Option<String> {
    let all: Vec<_> = requires.all.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| format!("it depends on {}", all.join(", ")))
}

fn service(member: &Member, listens: bool) -> String {
    match (member.serving, listens) {
        (true, true) => "this host hands out its data, and beats for it as long as its listener answers".to_owned(),
        (true, false) => "this host beats for it, but has no listener to hand out its data".to_owned(),
        (false, _) => "this host does not serve for it: only heartbeats from elsewhere count".to_owned(),
    }
}

/// The moment so long ago.
fn before(now: Now, ago: std::time::Duration) -> Option<Wall> {
    now.wall.checked_sub_signed(TimeDelta::from_std(ago).ok()?)
}

fn moment(at: Wall) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
