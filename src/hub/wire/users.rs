//! Accounts, as clients make and see them.

use super::Fault;
use super::fields::Fields;
use super::identity::Status;
use super::requires;
use crate::base::Secret;
use crate::hub::machine::Standing;
use crate::hub::model::{EntryPoint, Member};
use serde::Serialize;
use serde_json::Value;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;
/// Names that paths below `/api/users` need for themselves.
const RESERVED: [&str; 3] = ["auth", "logout", "whoami"];

/// An account to be.
#[derive(Debug)]
pub struct NewUser {
    /// Never empty.
    pub password: Secret,
    /// Whether it is an administrator of the hub.
    pub admin: bool,
    /// Whether this host serves for it.
    pub serving: bool,
}

/// What an account that is made here may be called.
///
/// # Errors
/// It cannot be that.
pub fn name(text: &str) -> Result<&str, Fault> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte));
    if !plain || !(1..=LONGEST_NAME).contains(&text.len()) {
        let rule = "expected 1 to 64 of the letters A-Z and a-z, digits, \".\", \"_\", \"@\" and \"-\"";
        return Err(Fault::Wrong(format!("username: {rule}")));
    }
    if RESERVED.contains(&text) {
        return Err(Fault::Wrong(format!("username: {text} is reserved")));
    }
    Ok(text)
}

/// Reads what is said of an account to be.
///
/// # Errors
/// It is no object, a field is not what it should be, or there is no password.
pub fn new(body: &[u8]) -> Result<NewUser, Fault> {
    let fields = Fields::read(body)?;
    let admin = match fields.text("role")?.as_deref() {
        None | Some("ordinary") => false,
        Some("admin") => true,
        Some(_) => return Err(fields.breach("role", "expected ordinary or admin")),
    };
    let serving = fields.flag("serving")?.unwrap_or(true);
    Ok(NewUser { password: Secret::new(fields.needed("password")?), admin, serving })
}

/// Whether this host is to serve for an account.
///
/// # Errors
/// It is no object, it is not said, or something else is said.
pub fn serving(body: &[u8]) -> Result<bool, Fault> {
    let fields = Fields::read(body)?;
    fields.flag("serving")?.ok_or_else(|| fields.absent("serving"))
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct Me<'a> {
    /// What he is called.
    pub username: &'a str,
    /// `ordinary` or `admin`.
    pub role: &'static str,
}

/// What stands for a name and a password from now on.
#[derive(Debug, Serialize)]
pub struct Token<'a> {
    token: &'a str,
}

impl<'a> From<&'a Secret> for Token<'a> {
    fn from(text: &'a Secret) -> Token<'a> {
        Token { token: text.expose() }
    }
}

/// An account just made.
#[derive(Debug, Serialize)]
pub struct Made<'a> {
    #[serde(flatten)]
    who: Me<'a>,
    daemonid: &'a str,
}

impl<'a> From<(Me<'a>, &'a Member)> for Made<'a> {
    fn from((who, member): (Me<'a>, &'a Member)) -> Made<'a> {
        Made { who, daemonid: member.daemon.expose() }
    }
}

/// An account, as it is.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    #[serde(flatten)]
    who: Me<'a>,
    serving: bool,
    #[serde(flatten)]
    status: Status,
    requires: Value,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
}

impl<'a> From<(Me<'a>, &'a Member, &'a Standing, &'a [EntryPoint])> for Shown<'a> {
    fn from((who, member, standing, entries): (Me<'a>, &'a Member, &'a Standing, &'a [EntryPoint])) -> Shown<'a> {
        Shown {
            who,
            serving: member.serving,
            status: (standing, entries).into(),
            requires: requires::show(&member.requires),
            why: &standing.why,
        }
    }
}
