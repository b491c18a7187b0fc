//! Jobs, as clients make and see them.

use super::Fault;
use super::fields::Fields;
use super::repositories::directory;
use crate::base::Secret;
use crate::hub::machine::NewPull;
use crate::hub::model::{
    self, Access, EntryPoint, ItemName, Job, JobId, JobState, PoolName, PullSource, RepName, TagName,
};
use serde::Serialize;
use std::sync::Arc;

/// The longest name of a user and the longest token, in bytes.
const LONGEST: usize = 1024;

/// A pull to be, from `{"from","repname","itemname","tag","datapool","itemdesc"?,"destname"?,"username"?,"token"?,
/// "publish"?}`; with the token for `username`.
///
/// # Errors
/// A field is missing, or not what it should be.
pub fn pull(body: &[u8]) -> Result<(NewPull, Option<Secret>), Fault> {
    let fields = Fields::read(body)?;
    let text = |name| Ok::<_, Fault>(fields.text(name)?.unwrap_or_default());
    let bad = |name: &'static str| move |why: model::BadName| (name, why.expected);
    let named = |(name, expected): (&str, String)| fields.breach(name, format_args!("expected {expected}"));
    let from = EntryPoint::new(&fields.needed("from")?)
        .map_err(|why| fields.breach("from", why.to_string().trim_start_matches("entrypoint: ")))?;
    let rep = RepName::new(&fields.needed("repname")?)?;
    let item = ItemName::new(&fields.needed("itemname")?)?;
    let tag = TagName::new(&fields.needed("tag")?).map_err(bad("tag")).map_err(named)?;
    let pool = PoolName::new(&fields.needed("datapool")?).map_err(bad("datapool")).map_err(named)?;
    let file = match text("destname")? {
        given if given.is_empty() => tag.as_str().into(),
        given if given.contains('/') => return Err(fields.breach("destname", "expected a name, without \"/\"")),
        given => model::file_name("destname", &given)?,
    };
    let word = |name| short(&fields, name);
    let (username, token) = (word("username")?, word("token")?);
    let publish = match text("publish")?.as_str() {
        "" => None,
        word => Some(Access::parse(word).ok_or_else(|| fields.breach("publish", "expected public or private"))?),
    };
    let source = PullSource {
        from,
        username: username.map(Arc::from),
        secret: token.is_some(),
        pool,
        dir: directory(&fields, &item)?,
        file,
        publish,
    };
    Ok((NewPull { rep, item, tag, source }, token.map(Secret::new)))
}

/// A word that is sent on; an empty one is none.
fn short(fields: &Fields, name: &str) -> Result<Option<String>, Fault> {
    let word = fields.text(name)?.filter(|word| !word.is_empty());
    match word {
        Some(word) if word.len() > LONGEST || word.chars().any(char::is_control) => {
            Err(fields.breach(name, format_args!("expected at most {LONGEST} bytes without control characters")))
        }
        word => Ok(word),
    }
}

/// A job.
#[derive(Debug, Serialize)]
pub struct JobView {
    id: String,
    tag: String,
    path: String,
    stat: &'static str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    srcsize: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl JobView {
    /// A job whose file lies there, of which so many bytes are there (none: that is not counted), and which pauses for that
    /// reason, where it does.
    pub fn of(job: &Job, path: String, there: Option<u64>, trouble: Option<String>) -> JobView {
        let (reason, whole) = match &job.state {
            JobState::Failed(why) => (Some(why.clone()), None),
            JobState::Downloaded | JobState::Published => (None, job.size),
            JobState::Queued | JobState::Downloading | JobState::Verifying => (trouble, None),
        };
        JobView {
            id: job.id.to_string(),
            tag: format!("{}/{}:{}", job.rep, job.item, job.tag),
            path,
            stat: job.state.word(),
            size: whole.or(there).unwrap_or_default(),
            srcsize: job.size,
            reason,
        }
    }

    /// Whether it is the one of this number.
    pub fn is(&self, id: JobId) -> bool {
        self.id == id.to_string()
    }

    /// A transfer to another host.
    pub fn outgoing(id: JobId, tag: &str, file: &str, over: bool, (sent, size): (u64, u64)) -> JobView {
        JobView {
            id: id.to_string(),
            tag: tag.to_owned(),
            path: file.to_owned(),
            stat: if over { "transfered" } else { "transfering" },
            size: sent,
            srcsize: Some(size),
            reason: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::hub::model::{JobKind, TagNo};
    use serde_json::{Value, json};

    fn body(more: Value) -> Value {
        let mut body = json!({
            "from": "http://198.51.100.7:35800", "repname": "weather", "itemname": "rain", "tag": "t1", "datapool": "p1",
        });
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        body
    }

    fn read(more: Value) -> Result<(NewPull, Option<Secret>), Fault> {
        pull(body(more).to_string().as_bytes())
    }

    #[test]
    fn what_is_not_said_of_a_pull_follows_from_its_names() {
        let (new, secret) = read(json!({})).expect("a pull");
        assert!(secret.is_none() && !new.source.secret && new.source.publish.is_none());
        assert_eq!((&*new.source.dir, &*new.source.file), ("rain", "t1"));
        let more =
            json!({ "destname": "a.bin", "itemdesc": "r", "publish": "public", "username": "bob", "token": "ab" });
        let (new, secret) = read(more).expect("a pull");
        assert_eq!((&*new.source.dir, &*new.source.file), ("r", "a.bin"));
        assert_eq!((new.source.publish, new.source.secret), (Some(Access::Public), true));
        assert_eq!(secret.expect("a token").expose(), "ab");
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (more, field) in [
            (json!({ "from": "198.51.100.7:35800" }), "from"),
            (json!({ "from": null }), "from"),
            (json!({ "repname": "" }), "repname"),
            (json!({ "itemname": "a:b" }), "itemname"),
            (json!({ "tag": "*" }), "tag"),
            (json!({ "datapool": null }), "datapool"),
            (json!({ "destname": "../x" }), "destname"),
            (json!({ "destname": ".." }), "destname"),
            (json!({ "itemdesc": "a/b" }), "itemdesc"),
            (json!({ "publish": "yes" }), "publish"),
            (json!({ "token": "a\nb" }), "token"),
        ] {
            let why = read(more).expect_err(field).to_string();
            assert!(why.starts_with(&format!("{field}:")) && !why.contains("a\nb"), "{why}");
        }
    }

    #[test]
    fn a_job_tells_how_much_is_there() {
        let name = |text| (RepName::new(text).expect("a name"), ItemName::new(text).expect("a name"));
        let (rep, item) = name("weather");
        let tag = TagName::new("t1").expect("a name");
        let kind = JobKind::Publish(TagNo(1));
        let made = Wall::UNIX_EPOCH;
        let (id, size, state) = (JobId(31), Some(10), JobState::Downloading);
        let mut job = Job { id, owner: 1, kind, rep, item, tag, state, size, made, over: None };
        let shown = |job: &Job| serde_json::to_value(JobView::of(job, "/p/f".to_owned(), Some(4), None)).expect("JSON");
        let expected = json!({
            "id": "0000001f", "tag": "weather/weather:t1", "path": "/p/f", "stat": "downloading", "size": 4, "srcsize": 10,
        });
        assert_eq!(shown(&job), expected);
        job.state = JobState::Published;
        assert_eq!((&shown(&job)["stat"], &shown(&job)["size"]), (&json!("published"), &json!(10)));
        job.state = JobState::Failed("the disk is full".to_owned());
        assert_eq!(shown(&job)["reason"], json!("the disk is full"));
    }
}
