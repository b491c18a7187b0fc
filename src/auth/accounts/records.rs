//! What is written down of accounts and sessions. Hashes are masked where a person looks.

use super::known::Held;
use super::passwords::Kept;
use super::signed::Key;
use super::words::{Account, Rights};
use crate::base::Wall;
use crate::store::{Kind, Record, Table};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The kinds of records that accounts are kept as.
pub const TABLES: [Table; 4] =
    [Table::of::<Stored>(), Table::of::<LastId>(), Table::of::<StoredSession>(), Table::of::<SigningKey>()];

/// An account, by its number.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    name: String,
    created: Wall,
    rights: Rights,
    password: StoredPassword,
    /// How often all its sessions were ended.
    ended: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredPassword {
    /// A PHC string.
    Argon2id(String),
    /// URL-safe base64.
    Sha512(String),
}

impl Stored {
    pub(super) fn of(Held { account, kept, ended }: &Held) -> Stored {
        let password = match &**kept {
            Kept::Argon2id(text) => StoredPassword::Argon2id(text.clone()),
            Kept::Sha512(hash) => StoredPassword::Sha512(BASE64_URL_SAFE_NO_PAD.encode(hash)),
        };
        let ended = *ended;
        Stored { name: account.name.clone(), created: account.created, rights: account.rights, password, ended }
    }

    /// Nothing when the hash is none.
    pub(super) fn read(self, id: u32) -> Option<Held> {
        let Stored { name, created, rights, password, ended } = self;
        let kept = match password {
            StoredPassword::Argon2id(text) => Kept::Argon2id(text),
            StoredPassword::Sha512(text) => Kept::Sha512(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?),
        };
        Some(Held { account: Account { id, name, created, rights }, kept: Arc::new(kept), ended })
    }
}

impl Record for Stored {
    const KIND: Kind = Kind::new(0x22, "auth.account");
    const FORMAT: u8 = 2;
    type Key = u32;

    /// In format 1 nobody had counted.
    fn migrate(format: u8, mut json: Value) -> Option<Stored> {
        if format != 1 {
            return None;
        }
        json.as_object_mut()?.insert("ended".to_owned(), Value::from(0));
        serde_json::from_value(json).ok()
    }

    fn mask(json: &mut Value) {
        if let Some(password) = json.get_mut("password") {
            *password = Value::from("…");
        }
    }
}

/// The highest number an account ever had, so that none is given twice.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LastId(pub(super) u32);

impl Record for LastId {
    const KIND: Kind = Kind::new(0x23, "auth.last_account");
    const FORMAT: u8 = 1;
    type Key = ();
}

/// A session, by its account and its own number there.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSession {
    /// URL-safe base64.
    sha256: String,
    pub(super) expires: Wall,
}

impl StoredSession {
    pub(super) fn of(hash: &[u8; 32], expires: Wall) -> StoredSession {
        StoredSession { sha256: BASE64_URL_SAFE_NO_PAD.encode(hash), expires }
    }

    /// Nothing when it is none.
    pub(super) fn hash(&self) -> Option<[u8; 32]> {
        BASE64_URL_SAFE_NO_PAD.decode(&self.sha256).ok()?.try_into().ok()
    }
}

impl Record for StoredSession {
    const KIND: Kind = Kind::new(0x24, "auth.session");
    const FORMAT: u8 = 1;
    type Key = (u32, u64);

    fn mask(json: &mut Value) {
        if let Some(hash) = json.get_mut("sha256") {
            *hash = Value::from("…");
        }
    }
}

/// What sign-ins are signed with.
#[derive(Serialize, Deserialize)]
pub(super) struct SigningKey {
    /// URL-safe base64.
    key: String,
}

impl SigningKey {
    pub(super) fn of(key: &Key) -> SigningKey {
        SigningKey { key: BASE64_URL_SAFE_NO_PAD.encode(key) }
    }

    /// Nothing when it is none.
    pub(super) fn read(&self) -> Option<Key> {
        BASE64_URL_SAFE_NO_PAD.decode(&self.key).ok()?.try_into().ok()
    }
}

impl Record for SigningKey {
    const KIND: Kind = Kind::new(0x25, "auth.signing_key");
    const FORMAT: u8 = 1;
    type Key = ();

    fn mask(json: &mut Value) {
        if let Some(key) = json.get_mut("key") {
            *key = Value::from("…");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_first_format_wrote_is_read() {
        let written = json!({
            "name": "alice", "created": "2026-03-02T10:00:00Z", "password": { "argon2id": "$argon2id$x" },
            "rights": { "operator": false, "tracker": "manager", "hub": "ordinary", "cache": "guest" },
        });
        let held = Stored::migrate(1, written).unwrap().read(3).unwrap();
        assert_eq!((held.account.id, held.account.name.as_str(), held.ended), (3, "alice", 0));
        assert!(Stored::migrate(0, json!({})).is_none());
    }

    #[test]
    fn the_key_is_not_shown() {
        let mut json = serde_json::to_value(SigningKey::of(&[7; 64])).unwrap();
        assert_eq!(serde_json::from_value::<SigningKey>(json.clone()).unwrap().read(), Some([7; 64]));
        SigningKey::mask(&mut json);
        assert_eq!(json, json!({ "key": "…" }));
    }
}
