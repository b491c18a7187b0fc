//! JSON of accounts, in and out. What comes in is read field by field, so that each refusal names its field.

use crate::auth::accounts::{Account, Cache, Hub, Rights, Tracker};
use crate::base::{Secret, Wall};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Display;
use std::str::FromStr;

/// `POST accounts`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountIn {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    password: Value,
    /// All rights of all families instead of the ordinary ones.
    #[serde(default)]
    admin: Value,
    #[serde(default)]
    operator: Value,
    #[serde(default)]
    tracker: Value,
    #[serde(default)]
    hub: Value,
    #[serde(default)]
    cache: Value,
}

impl AccountIn {
    /// Name, password and rights.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub(super) fn read(self) -> Result<(String, Secret, Rights), String> {
        let AccountIn { name, password, admin, operator, tracker, hub, cache } = self;
        let name = text("name", name)?;
        let password = Secret::new(text("password", password)?);
        let mut rights = if flag("admin", &admin)?.unwrap_or(false) { Rights::ADMIN } else { Rights::ORDINARY };
        RightsIn { operator, tracker, hub, cache }.read()?.apply(&mut rights);
        Ok((name, password, rights))
    }
}

/// `PATCH accounts/{name}`: what is missing or null stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RightsIn {
    #[serde(default)]
    operator: Value,
    #[serde(default)]
    tracker: Value,
    #[serde(default)]
    hub: Value,
    #[serde(default)]
    cache: Value,
}

/// A change of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    operator: Option<bool>,
    tracker: Option<Tracker>,
    hub: Option<Hub>,
    cache: Option<Cache>,
}

impl RightsIn {
    /// What is to be changed.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub(super) fn read(self) -> Result<Change, String> {
        Ok(Change {
            operator: flag("operator", &self.operator)?,
            tracker: word("tracker", &self.tracker)?,
            hub: word("hub", &self.hub)?,
            cache: word("cache", &self.cache)?,
        })
    }
}

impl Change {
    pub(super) fn apply(self, rights: &mut Rights) {
        rights.operator = self.operator.unwrap_or(rights.operator);
        rights.tracker = self.tracker.unwrap_or(rights.tracker);
        rights.hub = self.hub.unwrap_or(rights.hub);
        rights.cache = self.cache.unwrap_or(rights.cache);
    }
}

/// `PUT accounts/{name}/password`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordIn {
    #[serde(default)]
    password: Value,
}

impl PasswordIn {
    /// The password.
    ///
    /// # Errors
    /// It is no text.
    pub(super) fn read(self) -> Result<Secret, String> {
        text("password", self.password).map(Secret::new)
    }
}

/// A text that has to be there. What is there instead is not shown: it may be a password.
fn text(field: &str, given: Value) -> Result<String, String> {
    match given {
        Value::String(text) => Ok(text),
        _ => Err(format!("{field}: expected a text")),
    }
}

fn flag(field: &str, given: &Value) -> Result<Option<bool>, String> {
    match given {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        other => Err(format!("{field}: expected true or false, not {other}")),
    }
}

fn word<T: FromStr<Err: Display>>(field: &str, given: &Value) -> Result<Option<T>, String> {
    match given {
        Value::Null => Ok(None),
        Value::String(word) => word.parse().map(Some).map_err(|why| format!("{field}: {why}")),
        other => Err(format!("{field}: expected a word, not {other}")),
    }
}

/// An account, without its password.
#[derive(Serialize)]
pub(super) struct AccountOut {
    id: u32,
    name: String,
    created: Wall,
    operator: bool,
    tracker: &'static str,
    hub: &'static str,
    cache: &'static str,
    /// How many sessions it has.
    sessions: usize,
}

impl AccountOut {
    pub(super) fn of(account: Account, sessions: usize) -> AccountOut {
        let Account { id, name, created, rights: Rights { operator, tracker, hub, cache } } = account;
        let (tracker, hub, cache) = (tracker.text(), hub.text(), cache.text());
        AccountOut { id, name, created, operator, tracker, hub, cache, sessions }
    }
}

/// `GET accounts`
#[derive(Serialize)]
pub(super) struct AccountsOut {
    pub(super) accounts: Vec<AccountOut>,
}
