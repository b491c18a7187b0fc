//! Signed sign-ins: a text that names an account for a while, as a JSON Web Token (HS256), for the families whose clients
//! carry one instead of a cookie of ours. Nothing is kept of a single one.
//!
//! ```text
//! header . { id, exp, orig_iat, gen } . HMAC-SHA256 with a key that only the store knows
//! ```
//!
//! `gen` is a keyed hash over what is kept of the password and over how often all sessions of the account were ended: a
//! new password, the end of all sessions, and a removed account (also where another takes its number) make every earlier
//! text void. The key is made when it is first needed, and is kept in the store, masked where a person looks.
//!
//! **Absent:** the end of a single one before its time; other algorithms, also `none`.

use super::known::Held;
use super::passwords::Kept;
use super::records::SigningKey;
use super::words::{Account, AccountError};
use super::{Accounts, LONGEST};
use crate::base::{Now, Secret, Wall, same};
use crate::store::Batch;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::Duration;

/// The header of all that is signed here.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Longer texts are none of ours, in bytes.
const LONGEST_TEXT: usize = 1024;

/// The key: as long as the blocks of the hash it is for, which is what the method takes as it is.
pub(super) type Key = [u8; 64];

/// Who has signed in, by what he shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The account, with the rights it has now.
    pub account: Account,
    /// When its password was checked.
    pub began: Wall,
    /// When this ends.
    pub until: Wall,
}

/// What is signed. Moments are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    id: u32,
    exp: i64,
    orig_iat: i64,
    r#gen: String,
}

impl Accounts {
    /// A text that stands for the account from now on for `lifetime`, and when it ends; `began`: when its password was
    /// checked. Go here from [`Accounts::sign_in`] without waiting for anything else.
    ///
    /// # Errors
    /// There is no such account, no random bytes for the key, or it could not be written down.
    pub async fn sign(
        &self,
        id: u32,
        began: Wall,
        lifetime: Duration,
        now: Now,
    ) -> Result<(Secret, Wall), AccountError> {
        // Taken down before the key is waited for: what ends all sessions meanwhile ends this one, too.
        let held = self.known().by_id(id).cloned().ok_or_else(|| AccountError::Unknown(id.to_string()))?;
        let key = self.key().await?;
        let until = now.later(lifetime.min(LONGEST)).wall;
        let claims = Claims { id, exp: until.timestamp(), orig_iat: began.timestamp(), r#gen: generation(&key, &held) };
        let until = Wall::from_timestamp(claims.exp, 0).unwrap_or(until);
        Ok((encode(&key, &claims), until))
    }

    /// Who is named by this text, if it was signed here, is not over, and nothing has made it void.
    pub fn signed(&self, text: &str, now: Wall) -> Option<SignedIn> {
        let known = self.known();
        let key = known.key?;
        let claims = decode(&key, text).filter(|claims| now.timestamp() < claims.exp)?;
        let held = known.by_id(claims.id)?;
        let valid = same(generation(&key, held).as_bytes(), claims.r#gen.as_bytes());
        let (began, until) = (Wall::from_timestamp(claims.orig_iat, 0)?, Wall::from_timestamp(claims.exp, 0)?);
        valid.then(|| SignedIn { account: held.account.clone(), began, until })
    }

    /// The key; made and on disk, if there was none.
    async fn key(&self) -> Result<Key, AccountError> {
        let known = self.known().key;
        if let Some(key) = known {
            return Ok(key);
        }
        let mut new: Key = [0; 64];
        getrandom::fill(&mut new).map_err(|why| AccountError::NoRandomness(why.to_string()))?;
        let (key, ticket) = {
            let mut known = self.known_mut();
            let mut batch = Batch::new();
            if known.key.is_none() {
                batch.put(&(), &SigningKey::of(&new));
            }
            // Where another was faster, this waits until that one's is on disk.
            (*known.key.get_or_insert(new), self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok(key)
    }
}

/// What changes when everything that was signed for an account becomes void.
fn generation(key: &Key, held: &Held) -> String {
    let kept: &[u8] = match &*held.kept {
        Kept::Argon2id(text) => text.as_bytes(),
        Kept::Sha512(hash) => hash,
    };
    let numbers = [held.account.id.to_be_bytes(), held.ended.to_be_bytes()].concat();
    // No text that is signed begins so: theirs begin with the header in base64.
    let mac = mac(key, &[b"generation\0", &numbers, kept]).finalize().into_bytes();
    let (half, _) = mac.split_at(mac.len() / 2);
    BASE64_URL_SAFE_NO_PAD.encode(half)
}

fn encode(key: &Key, claims: &Claims) -> Secret {
    // Numbers and a text: there is nothing in them that has no JSON.
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(HEADER), BASE64_URL_SAFE_NO_PAD.encode(claims));
    let signature = mac(key, &[signed.as_bytes()]).finalize().into_bytes();
    Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// What a text says, if it was signed with this key.
fn decode(key: &Key, text: &str) -> Option<Claims> {
    let (signed, signature) = text.rsplit_once('.').filter(|_| text.len() <= LONGEST_TEXT)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    mac(key, &[signed.as_bytes()]).verify_slice(&signature).ok()?;
    let (header, claims) = signed.split_once('.')?;
    // Nothing else is ever signed with the key, whatever its header says; this is for whoever changes that.
    if BASE64_URL_SAFE_NO_PAD.decode(header).ok()? != HEADER.as_bytes() {
        return None;
    }
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn mac(key: &Key, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new(key.into());
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims { id: 7, exp: 2_000, orig_iat: 1_000, r#gen: "x".to_owned() }
    }

    #[test]
    fn what_is_signed_is_read_and_nothing_else() {
        let key = [7; 64];
        let text = encode(&key, &claims());
        let text = text.expose();
        let read = decode(&key, text).unwrap();
        assert_eq!((read.id, read.exp, read.orig_iat, read.r#gen.as_str()), (7, 2_000, 1_000, "x"));
        assert!(decode(&[8; 64], text).is_none(), "another key");
        let parts: Vec<&str> = text.split('.').collect();
        let other = BASE64_URL_SAFE_NO_PAD.encode(r#"{"id":8,"exp":2000,"orig_iat":1000,"gen":"x"}"#);
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in [
            String::new(),
            "..".to_owned(),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}.{other}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{text}="),
            format!("{}{text}", "A".repeat(LONGEST_TEXT)),
        ] {
            assert!(decode(&key, &forged).is_none(), "{forged}");
        }
    }

    #[test]
    fn it_is_a_json_web_token_that_others_can_read() {
        let text = encode(&[7; 64], &claims());
        let parts: Vec<_> = text.expose().split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        assert_eq!(parts[0], br#"{"alg":"HS256","typ":"JWT"}"#);
        let claims: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
        assert_eq!((&claims["id"], &claims["exp"], &claims["orig_iat"]), (&7.into(), &2_000.into(), &1_000.into()));
        assert_eq!((parts.len(), parts[2].len()), (3, 32));
    }

    #[test]
    fn another_header_is_refused_although_it_is_signed() {
        let key = [7; 64];
        let signed = [r#"{"alg":"none"}"#, r#"{"id":7,"exp":2000,"orig_iat":1000,"gen":"x"}"#];
        let signed = signed.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(&key, &[signed.as_bytes()]).finalize().into_bytes());
        assert!(decode(&key, &format!("{signed}.{signature}")).is_none());
    }
}
