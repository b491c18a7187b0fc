//! Personal access tokens, on the wire.

use super::fields::{Fault, Fields};
use super::jobs::{User, user};
use super::{NO_MOMENT, moment};
use crate::base::{Secret, Wall};
use serde_json::{Value, json};

/// The longest text, in bytes. What a token may have of it is its own matter.
const TEXT: usize = 4096;
/// The most scopes, and the longest.
const SCOPES: (usize, usize) = (100, 64);

/// `POST /api/v1/personal-access-tokens`
#[derive(Debug, PartialEq, Eq)]
pub struct TokenIn {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub bio: String,
    /// The words of its scopes; empty where none were named.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expired_at: Wall,
    /// The account whose it is.
    pub user_id: u32,
}

impl TokenIn {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub fn read(body: &[u8]) -> Result<TokenIn, Fault> {
        let fields = Fields::read(body)?;
        let missing = |name, what| fields.breach(name, format_args!("expected {what} (required)"));
        let name = fields.text("name", TEXT)?.filter(|name| !name.is_empty());
        Ok(TokenIn {
            name: name.ok_or_else(|| missing("name", "a text"))?,
            bio: fields.text("bio", TEXT)?.unwrap_or_default(),
            scopes: fields.texts("scopes", SCOPES.0, SCOPES.1)?.unwrap_or_default(),
            expired_at: end(&fields)?.ok_or_else(|| missing("expired_at", "a moment as in RFC 3339"))?,
            user_id: owner(&fields)?.ok_or_else(|| missing("user_id", "the number of an account"))?,
        })
    }
}

/// When the token ends.
fn end(fields: &Fields) -> Result<Option<Wall>, Fault> {
    let Some(text) = fields.text("expired_at", TEXT)? else { return Ok(None) };
    let end = chrono::DateTime::parse_from_rfc3339(&text).map(|end| end.to_utc());
    let expected = "expected a moment as in RFC 3339, such as 2030-01-31T12:00:00Z";
    end.map(Some).map_err(|_| fields.breach("expired_at", expected))
}

/// Whose the token is; 0 is nobody.
fn owner(fields: &Fields) -> Result<Option<u32>, Fault> {
    let id = fields.bounded("user_id", 0, u64::from(u32::MAX))?;
    Ok(id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0))
}

/// `PATCH /api/v1/personal-access-tokens/{id}`. What is not named stays; an empty `bio` and a `user_id` of 0, too, as with
/// the original. An empty list of scopes is one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChangeIn {
    /// What it is for.
    pub bio: Option<String>,
    /// The words of its scopes.
    pub scopes: Option<Vec<String>>,
    /// Whether it opens anything.
    pub active: Option<bool>,
    /// When it ends.
    pub expired_at: Option<Wall>,
    /// The account whose it is.
    pub user_id: Option<u32>,
}

impl ChangeIn {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub fn read(body: &[u8]) -> Result<ChangeIn, Fault> {
        let fields = Fields::read(body)?;
        let state = fields.text("state", TEXT)?.filter(|state| !state.is_empty());
        Ok(ChangeIn {
            bio: fields.text("bio", TEXT)?.filter(|bio| !bio.is_empty()),
            scopes: fields.texts("scopes", SCOPES.0, SCOPES.1)?,
            active: state.map(|state| active(&state).map_err(|why| fields.breach("state", why))).transpose()?,
            expired_at: end(&fields)?,
            user_id: owner(&fields)?,
        })
    }
}

/// Whether `active` or `inactive` is said.
///
/// # Errors
/// It is neither.
pub fn active(state: &str) -> Result<bool, &'static str> {
    match state {
        "active" => Ok(true),
        "inactive" => Ok(false),
        _ => Err("expected active or inactive"),
    }
}

/// A token as it is shown.
#[derive(Clone, Debug)]
pub struct TokenOut<'a> {
    /// Its number.
    pub id: u64,
    /// When it was made.
    pub created: Wall,
    /// When it was last changed.
    pub updated: Wall,
    /// What it is called.
    pub name: &'a str,
    /// What it is for.
    pub bio: &'a str,
    /// The words of its scopes.
    pub scopes: Vec<&'static str>,
    /// Whether it opens anything.
    pub active: bool,
    /// When it ends.
    pub expires: Option<Wall>,
    /// When it last opened something, since the daemon started.
    pub last_used: Option<Wall>,
    /// The account whose it is; 0 is the built-in operator's.
    pub account: u32,
    /// That account, while there is one.
    pub user: Option<User>,
}

impl TokenOut<'_> {
    /// As JSON. `text` is there only in the answer that makes the token; else the field is empty.
    pub fn json(&self, text: Option<&Secret>) -> Value {
        json!({
            "id": self.id,
            "created_at": moment(self.created),
            "updated_at": moment(self.updated),
            "is_del": 0,
            "name": self.name,
            "bio": self.bio,
            "token": text.map_or("", Secret::expose),
            "scopes": self.scopes,
            "state": if self.active { "active" } else { "inactive" },
            "expired_at": self.expires.map_or_else(|| NO_MOMENT.to_owned(), moment),
            "last_used_at": self.last_used.map(moment),
            "user_id": self.account,
            "user": user(self.account, self.user.as_ref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_needs_a_name_an_end_and_an_owner() {
        let whole = json!({
            "name": "ci", "bio": "x", "scopes": ["job"], "expired_at": "2030-01-01T00:00:00Z", "user_id": 3, "more": 1,
        });
        let read = |json: &Value| TokenIn::read(json.to_string().as_bytes());
        let expected = TokenIn {
            name: "ci".to_owned(),
            bio: "x".to_owned(),
            scopes: vec!["job".to_owned()],
            expired_at: "2030-01-01T00:00:00Z".parse().unwrap(),
            user_id: 3,
        };
        assert_eq!(read(&whole), Ok(expected));
        for (field, wrong) in [
            ("name", [json!(null), json!(""), json!(1)]),
            ("expired_at", [json!(null), json!("soon"), json!(1)]),
            ("user_id", [json!(null), json!(0), json!("3")]),
            ("scopes", [json!("job"), json!([1]), json!({})]),
            ("bio", [json!(1), json!([]), json!(false)]),
        ] {
            for value in wrong {
                if value.is_null() {
                    assert!(read(&json!({})).unwrap_err().to_string().contains("expected"));
                }
                let mut json = whole.clone();
                json[field] = value;
                assert!(read(&json).unwrap_err().to_string().starts_with(&format!("{field}: expected")), "{json}");
            }
        }
        let mut least = whole;
        least["scopes"] = json!(null);
        least["bio"] = json!(null);
        let read = read(&least).unwrap();
        assert!(read.scopes.is_empty() && read.bio.is_empty());
    }

    #[test]
    fn a_change_touches_only_what_it_names() {
        let read = |json: Value| ChangeIn::read(json.to_string().as_bytes());
        assert_eq!(read(json!({})), Ok(ChangeIn::default()));
        assert_eq!(read(json!({ "bio": "", "user_id": 0, "state": "", "name": "x" })), Ok(ChangeIn::default()));
        assert_eq!(read(json!({ "scopes": [] })).unwrap().scopes, Some(Vec::new()));
        assert_eq!(read(json!({ "State": "inactive" })).unwrap().active, Some(false));
        assert!(
            read(json!({ "state": "off" })).unwrap_err().to_string().starts_with("state: expected active or inactive")
        );
        assert!(ChangeIn::read(b"").is_err());
    }

    #[test]
    fn a_token_shows_its_text_once_and_its_owner_always() {
        let at = Wall::UNIX_EPOCH;
        let owner = User { name: "alice".to_owned(), created: at };
        let shown = TokenOut {
            id: 3,
            created: at,
            updated: at,
            name: "ci",
            bio: "x",
            scopes: vec!["job", "cluster"],
            active: true,
            expires: Some(at),
            last_used: None,
            account: 7,
            user: Some(owner),
        };
        let json = shown.json(Some(&Secret::new("T0ken")));
        assert_eq!((&json["token"], &json["state"], &json["user_id"]), (&json!("T0ken"), &json!("active"), &json!(7)));
        assert_eq!((&json["user"]["id"], &json["user"]["name"]), (&json!(7), &json!("alice")));
        assert_eq!((json.as_object().unwrap().len(), &json["last_used_at"]), (13, &Value::Null));
        let json = TokenOut { account: 0, user: None, expires: None, active: false, ..shown }.json(None);
        let found = ["token", "state", "expired_at"].map(|name| json[name].as_str().unwrap());
        assert_eq!(found, ["", "inactive", "0001-01-01T00:00:00Z"]);
        assert_eq!((&json["user"]["id"], &json["user"]["name"]), (&json!(0), &json!("")));
    }
}
