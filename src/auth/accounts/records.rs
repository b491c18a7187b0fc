//! What is written down of accounts and sessions. Hashes are masked where a person looks.

use super::passwords::Kept;
use super::words::{Account, Rights};
use crate::base::Wall;
use crate::store::{Kind, Record, Table};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds of records that accounts are kept as.
pub const TABLES: [Table; 3] = [Table::of::<Stored>(), Table::of::<LastId>(), Table::of::<StoredSession>()];

/// An account, by its number.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    name: String,
    created: Wall,
    rights: Rights,
    password: StoredPassword,
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
    pub(super) fn of(account: &Account, kept: &Kept) -> Stored {
        let password = match kept {
            Kept::Argon2id(text) => StoredPassword::Argon2id(text.clone()),
            Kept::Sha512(hash) => StoredPassword::Sha512(BASE64_URL_SAFE_NO_PAD.encode(hash)),
        };
        Stored { name: account.name.clone(), created: account.created, rights: account.rights, password }
    }

    /// Nothing when the hash is none.
    pub(super) fn read(self, id: u32) -> Option<(Account, Kept)> {
        let Stored { name, created, rights, password } = self;
        let kept = match password {
            StoredPassword::Argon2id(text) => Kept::Argon2id(text),
            StoredPassword::Sha512(text) => Kept::Sha512(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?),
        };
        Some((Account { id, name, created, rights }, kept))
    }
}

impl Record for Stored {
    const KIND: Kind = Kind::new(0x22, "auth.account");
    const FORMAT: u8 = 1;
    type Key = u32;

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
