//! What a request brings along for registries and origins: to be used, and shown with its secrets masked.

use super::fields::{Fault, Fields};
use crate::base::Secret;
use crate::cache::model::secret::is_secret_header;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RANGE};
use std::collections::BTreeMap;

/// What stands in place of a secret.
pub const MASK: &str = "***";
/// The longest name, and the longest password, in bytes.
const LONGEST: usize = 64 << 10;
/// The most headers.
const MOST: usize = 100;

/// What is sent along, unmasked. Never written down.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Headers.
    pub headers: HeaderMap,
    /// For a registry.
    pub account: Option<(String, Secret)>,
    /// Something of it is a secret.
    pub any: bool,
}

/// The same, as it may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// `headers`
    pub headers: Option<BTreeMap<String, String>>,
    /// `username`
    pub username: String,
    /// `password`
    pub password: String,
}

/// Reads `headers`, `username` and `password`.
///
/// # Errors
/// One of them is not what it should be.
pub fn read(fields: &Fields) -> Result<(Masked, Secrets), Fault> {
    let (mut secrets, headers) = headers(fields)?;
    let username = fields.text("username", LONGEST)?.unwrap_or_default();
    let password = fields.text("password", LONGEST)?.unwrap_or_default();
    let shown = if password.is_empty() { String::new() } else { MASK.to_owned() };
    // Also a name alone is somebody, and what he gets is his.
    secrets.any |= !username.is_empty() || !password.is_empty();
    if !username.is_empty() {
        secrets.account = Some((username.clone(), Secret::new(password)));
    }
    Ok((Masked { headers, username, password: shown }, secrets))
}

/// Reads `headers` alone.
fn headers(fields: &Fields) -> Result<(Secrets, Option<BTreeMap<String, String>>), Fault> {
    let mut secrets = Secrets::default();
    let Some(given) = fields.map("headers")? else { return Ok((secrets, None)) };
    if given.len() > MOST {
        return Err(fields.breach("headers", format_args!("expected at most {MOST} entries (lte={MOST})")));
    }
    let mut shown = BTreeMap::new();
    for (name, value) in given {
        let (parsed, text) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        let (Ok(parsed), Ok(mut text)) = (parsed, text) else {
            let name = name.escape_debug();
            return Err(fields.breach("headers", format_args!("\"{name}\": expected the name and value of a header")));
        };
        let secret = is_secret_header(&name);
        text.set_sensitive(secret);
        // What is fetched is the whole content.
        if parsed != RANGE {
            secrets.headers.append(parsed, text);
        }
        secrets.any |= secret && !value.is_empty();
        shown.insert(name, if secret && !value.is_empty() { MASK.to_owned() } else { value });
    }
    Ok((secrets, Some(shown)))
}
