//! The text of a token: 48 characters from `A–Z a–z 0–9 - _`, URL-safe base64 of the 36 characters of a random UUID.
//!
//! That is what tokens of Dragonfly look like, and there are programs that look. 122 of its bits are random.

use super::known::Hash;
use super::words::MintError;
use crate::base::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A new one.
///
/// # Errors
/// The kernel gives no random bytes.
pub(super) fn new() -> Result<Secret, MintError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|why| MintError::NoRandomness(why.to_string()))?;
    let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(uuid.hyphenated().to_string())))
}

/// What it is found by. There is nothing to guess in 122 random bits, so no slow hash is needed, and since only hashes are
/// compared, no comparison can be timed.
pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_random_uuid_in_disguise() {
        let texts = [new().unwrap(), new().unwrap()];
        assert_ne!(texts[0], texts[1]);
        for text in texts {
            let text = text.expose();
            assert_eq!(text.len(), 48);
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{text}");
            let uuid = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
            assert_eq!(uuid.len(), 36);
            assert_eq!(uuid::Uuid::parse_str(&uuid).unwrap().get_version_num(), 4);
        }
    }
}
