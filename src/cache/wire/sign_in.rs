//! Signing in, on the wire: `POST /api/v1/users/signin` and `refresh_token`.

use super::fields::{Fault, Fields};
use super::moment;
use crate::base::{Secret, Wall};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer passwords are none, in bytes.
const LONGEST_PASSWORD: usize = 4096;

/// The cookie that stands for who has signed in.
pub const COOKIE: &str = "jwt";

/// Name and password. Accounts have their own limits for them.
///
/// # Errors
/// One of them is missing or no text.
pub fn read(body: &[u8]) -> Result<(String, Secret), Fault> {
    let fields = Fields::read(body)?;
    let field =
        |name| fields.text(name, LONGEST_PASSWORD)?.ok_or_else(|| fields.breach(name, "expected a text (required)"));
    Ok((field("name")?, Secret::new(field("password")?)))
}

/// The answer: the text that stands for who has signed in, and when that ends.
pub fn signed_in(text: &Secret, until: Wall) -> Value {
    json!({ "token": text.expose(), "expire": moment(until) })
}

/// The `Set-Cookie` of somebody who has signed in for so long. Scripts do not read it, and no page of another site makes
/// a browser send it.
pub fn cookie(text: &Secret, lifetime: Duration) -> String {
    format!("{COOKIE}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict", text.expose(), lifetime.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_needed() {
        let (name, password) = read(br#"{"Name":"al","PASSWORD":"pw","email":"x"}"#).unwrap();
        assert_eq!((name.as_str(), password.expose()), ("al", "pw"));
        for wrong in [&b""[..], b"{}", br#"{"name":"al"}"#, br#"{"name":"al","password":1}"#, br#"{"password":"pw"}"#] {
            assert!(read(wrong).is_err());
        }
    }

    #[test]
    fn a_cookie_is_for_our_own_pages_alone() {
        let text = cookie(&Secret::new("a.b.c"), Duration::from_secs(14 * 86_400));
        assert_eq!(text, "jwt=a.b.c; Path=/; Max-Age=1209600; HttpOnly; SameSite=Strict");
        assert_eq!(cookie(&Secret::new(""), Duration::ZERO), "jwt=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
