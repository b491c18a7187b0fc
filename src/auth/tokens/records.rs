//! What is written down of tokens. Hashes are masked where a person looks.

use super::known::Hash;
use super::words::{Owner, Token};
use crate::auth::scope::Scope;
use crate::base::Wall;
use crate::store::{Kind, Record, Table};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kinds of records that tokens are kept as.
pub const TABLES: [Table; 2] = [Table::of::<Stored>(), Table::of::<LastId>()];

/// A token as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    /// URL-safe base64.
    sha256: String,
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    bio: String,
    scopes: Vec<Scope>,
    owner: Owner,
    active: bool,
    created: Wall,
    updated: Wall,
    expires: Option<Wall>,
    created_by: String,
}

impl Stored {
    pub(super) fn of(hash: &Hash, token: &Token) -> Stored {
        Stored {
            sha256: BASE64_URL_SAFE_NO_PAD.encode(hash),
            name: token.name.clone(),
            bio: token.bio.clone(),
            scopes: token.scopes.clone(),
            owner: token.owner,
            active: token.active,
            created: token.created,
            updated: token.updated,
            expires: token.expires,
            created_by: token.created_by.clone(),
        }
    }

    /// Nothing when the hash is none.
    pub(super) fn read(self, id: u64) -> Option<(Hash, Token)> {
        let hash = BASE64_URL_SAFE_NO_PAD.decode(&self.sha256).ok()?.try_into().ok()?;
        let Stored { name, bio, scopes, owner, active, created, updated, expires, created_by, .. } = self;
        let last_used = None;
        Some((hash, Token { id, name, bio, scopes, owner, active, created, updated, expires, created_by, last_used }))
    }
}

impl Record for Stored {
    const KIND: Kind = Kind::new(0x20, "auth.token");
    const FORMAT: u8 = 2;
    type Key = u64;

    /// In format 1 every token was a user's, by his number, and active.
    fn migrate(format: u8, mut json: Value) -> Option<Stored> {
        if format != 1 {
            return None;
        }
        let fields = json.as_object_mut()?;
        let uid = fields.get("owner")?.clone();
        let created = fields.get("created")?.clone();
        fields.insert("owner".to_owned(), json!({ "user": uid }));
        fields.insert("active".to_owned(), Value::Bool(true));
        fields.insert("updated".to_owned(), created);
        serde_json::from_value(json).ok()
    }

    fn mask(json: &mut Value) {
        if let Some(hash) = json.get_mut("sha256") {
            *hash = Value::from("…");
        }
    }
}

/// The newest number given to a token, so that none is given twice.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LastId(pub(super) u64);

impl Record for LastId {
    const KIND: Kind = Kind::new(0x21, "auth.last_token");
    const FORMAT: u8 = 1;
    type Key = ();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_format_wrote_is_a_users_active_token() {
        let sha256 = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        let written = json!({
            "sha256": sha256, "name": "ci", "scopes": ["proc:read", "job"], "owner": 1000,
            "created": "2026-03-02T10:00:00Z", "expires": null, "created_by": "uid 1000 (alice)",
        });
        let (hash, token) = Stored::migrate(1, written).unwrap().read(3).unwrap();
        assert_eq!(hash, [7; 32]);
        let created = "2026-03-02T10:00:00Z".parse().unwrap();
        let expected = Token {
            id: 3,
            name: "ci".to_owned(),
            bio: String::new(),
            scopes: vec![Scope::ProcRead, Scope::Job],
            owner: Owner::User(1000),
            active: true,
            created,
            updated: created,
            expires: None,
            created_by: "uid 1000 (alice)".to_owned(),
            last_used: None,
        };
        assert_eq!(token, expected);
        assert!(Stored::migrate(0, json!({})).is_none() && Stored::migrate(1, json!({ "owner": 1 })).is_none());
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_shown_without_its_hash() {
        let at = Wall::UNIX_EPOCH;
        let token = Token {
            id: 9,
            name: "nightly".to_owned(),
            bio: "for the mirror".to_owned(),
            scopes: Vec::new(),
            owner: Owner::Account(4),
            active: false,
            created: at,
            updated: at,
            expires: Some(at),
            created_by: "account alice".to_owned(),
            last_used: None,
        };
        let mut json = serde_json::to_value(Stored::of(&[1; 32], &token)).unwrap();
        let stored: Stored = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(stored.read(9), Some(([1; 32], token)));
        Stored::mask(&mut json);
        assert_eq!((&json["sha256"], &json["owner"]), (&json!("…"), &json!({ "account": 4 })));
    }
}
