//! What changed, as listeners of the event stream see it: operators only, by `rep/item:tag`, the account's name, or the
//! number of the job.

use super::machine::{self, Room, Shown};
use super::model::{AccountId, Job, JobState, Tag, TagNo};
use crate::base::{Bus, Now, Wall};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    kind: &'static str,
    of: Of,
    data: Value,
}

/// What it happened to.
#[derive(Clone, Debug, PartialEq)]
enum Of {
    Name(String),
    /// Accounts may be called otherwise from one moment to the next.
    Account(AccountId),
}

impl News {
    /// Tells it, with what an account is called by now; its number where it is none any more.
    pub(super) fn publish(self, bus: &Bus, name_of: impl FnOnce(AccountId) -> Option<String>, at: Wall) {
        let name = match self.of {
            Of::Name(name) => name,
            Of::Account(account) => name_of(account).unwrap_or_else(|| account.to_string()),
        };
        bus.publish(at, self.kind, name, None, self.data);
    }
}

/// What there is to say of some news; `published` are the tags that are new with it. Nothing of what is gone again.
pub(super) fn event(room: &Room, news: &machine::News, published: &HashSet<TagNo>, now: Now) -> Option<News> {
    match news {
        machine::News::Tag(no) => tag(room, room.tag_by_no(*no)?, published.contains(no), now),
        machine::News::TagGone(name) => {
            Some(News { kind: "hub.tag.removed", of: Of::Name(name.clone()), data: json!({ "tag": name }) })
        }
        machine::News::Online(account, online) => {
            let kind = if *online { "hub.account.online" } else { "hub.account.offline" };
            let mut data = json!({ "account": account });
            if !online {
                data["why"] = room.standing(*account, now.mono).why.into();
            }
            Some(News { kind, of: Of::Account(*account), data })
        }
        machine::News::Job(id) => Some(job(room.job(*id)?)),
    }
}

/// How a tag is called where nothing else says of which item it is: `rep/item:tag`.
pub(super) fn tag_name(room: &Room, tag: &Tag) -> Option<String> {
    let item = room.item_by_no(tag.item)?;
    Some(format!("{}/{}:{}", item.rep, item.name, tag.name))
}

fn tag(room: &Room, tag: &Tag, is_new: bool, now: Now) -> Option<News> {
    let name = tag_name(room, tag)?;
    let mut data = json!({ "tag": name, "size": tag.digests.map(|digests| digests.size) });
    let kind = match room.shown(tag, now.mono) {
        Shown::Normal => {
            data["status"] = "NORMAL".into();
            "hub.tag.normal"
        }
        Shown::Abnormal { reason, detail } => {
            data["status"] = "ABNORMAL".into();
            data["reason"] = reason.into();
            if !detail.is_empty() {
                data["detail"] = detail.into();
            }
            "hub.tag.abnormal"
        }
    };
    Some(News { kind: if is_new { "hub.tag.published" } else { kind }, of: Of::Name(name), data })
}

fn job(job: &Job) -> News {
    let tag = format!("{}/{}:{}", job.rep, job.item, job.tag);
    let mut data = json!({ "job": job.id.to_string(), "type": job.kind.word(), "tag": tag, "stat": job.state.word() });
    let kind = match &job.state {
        JobState::Queued => "hub.job.queued",
        JobState::Downloading => "hub.job.downloading",
        JobState::Verifying => "hub.job.verifying",
        JobState::Downloaded => "hub.job.downloaded",
        JobState::Published => "hub.job.published",
        JobState::Failed(why) => {
            data["error"] = why.as_str().into();
            "hub.job.failed"
        }
    };
    News { kind, of: Of::Name(job.id.to_string()), data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::model::{ItemName, JobId, JobKind, OPERATOR, RepName, TagName};

    fn made(state: JobState) -> Job {
        Job {
            id: JobId(26),
            owner: 3,
            kind: JobKind::Publish(TagNo(4)),
            rep: RepName::new("maps").unwrap(),
            item: ItemName::new("tiles").unwrap(),
            tag: TagName::new("v1").unwrap(),
            state,
            size: None,
            made: Wall::UNIX_EPOCH,
            over: None,
        }
    }

    #[tokio::test]
    async fn listeners_hear_of_jobs_by_their_numbers_and_of_accounts_by_their_names() {
        let name_of = |account: AccountId| (account == OPERATOR).then(|| "operator".to_owned());
        let bus = Bus::new(Wall::UNIX_EPOCH);
        let mut listener = bus.listen(None);
        job(&made(JobState::Failed("no route".into()))).publish(&bus, name_of, Wall::UNIX_EPOCH);
        let gone = News { kind: "hub.account.offline", of: Of::Account(7), data: Value::Null };
        gone.publish(&bus, name_of, Wall::UNIX_EPOCH);
        let operator = News { kind: "hub.account.online", of: Of::Account(OPERATOR), data: Value::Null };
        operator.publish(&bus, name_of, Wall::UNIX_EPOCH);
        let heard = listener.next().await.unwrap();
        let names: Vec<_> = heard.iter().map(|event| (event.kind, event.name.as_str())).collect();
        assert_eq!(
            names,
            [("hub.job.failed", "0000001a"), ("hub.account.offline", "7"), ("hub.account.online", "operator")]
        );
        let told = json!({
            "job": "0000001a", "type": "publish", "tag": "maps/tiles:v1", "stat": "failed", "error": "no route",
        });
        assert_eq!(heard[0].data, told);
        assert!(heard.iter().all(|event| event.owner.is_none()), "operators only");
    }
}
