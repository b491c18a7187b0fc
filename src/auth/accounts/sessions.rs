//! Sessions: texts that stand for an account for a while.
//!
//! A text in a cookie is [`LETTERS`] random ASCII letters, 182 bits; clients of the data hub, whose texts are tokens, get
//! [`DIGITS`] hexadecimal digits, 160 bits. Kept is the SHA-256, which is also what it is found by. An account has at most
//! [`PER_ACCOUNT`] of both together; one more ends the oldest. What is over is forgotten when the next begins.

use super::records::StoredSession;
use super::words::AccountError;
use crate::base::{Hex, Secret, Timers, Wall, hex};
use crate::store::Batch;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Letters in a session's text: the length that clients of the original tracker have seen.
pub(super) const LETTERS: usize = 32;
/// Digits in a token of the data hub: the length that its clients have seen.
pub(super) const DIGITS: usize = 40;
/// How long a token of the data hub stands for its account: a year, since programs keep it and cannot sign in anew.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// Sessions one account may have.
pub const PER_ACCOUNT: usize = 50;
/// The longest life: ten years. No calendar ends within it.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How many that are over are forgotten at once.
const SWEEP: usize = 200;

pub(super) type Hash = [u8; 32];

/// The text of a new session.
///
/// # Errors
/// The kernel gives no random bytes.
pub(super) fn new_text() -> Result<Secret, AccountError> {
    const ALPHABET: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // A remainder would prefer the first letters if all 256 values were taken; 208 is 4 times 52.
    let letter = |byte: &u8| (*byte < 208).then(|| ALPHABET.get(usize::from(byte % 52))).flatten();
    let mut text = String::with_capacity(LETTERS);
    while text.len() < LETTERS {
        let mut random = [0; 2 * LETTERS];
        getrandom::fill(&mut random).map_err(|why| AccountError::NoRandomness(why.to_string()))?;
        let letters = random.iter().filter_map(letter).take(LETTERS - text.len());
        text.extend(letters.map(|letter| char::from(*letter)));
    }
    Ok(Secret::new(text))
}

/// The text of a new token of the data hub.
///
/// # Errors
/// The kernel gives no random bytes.
pub(super) fn new_token() -> Result<Secret, AccountError> {
    let mut random = [0; DIGITS / 2];
    getrandom::fill(&mut random).map_err(|why| AccountError::NoRandomness(why.to_string()))?;
    Ok(Secret::new(Hex(&random).to_string()))
}

/// Whether a text has the form of a token of the data hub.
pub(super) fn is_token(text: &str) -> bool {
    hex::is_small(text, DIGITS)
}

/// Whether a text has the form of what stands in a cookie.
pub(super) fn is_cookie(text: &str) -> bool {
    text.len() == LETTERS && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// What a session is found by; nothing where the text cannot be one.
pub(super) fn hash(text: &str) -> Option<Hash> {
    (is_cookie(text) || is_token(text)).then(|| Sha256::digest(text.as_bytes()).into())
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    by_hash: HashMap<Hash, Session>,
    /// By account, in the order in which they began.
    of: HashMap<u32, BTreeMap<u64, Hash>>,
    ends: Timers<Wall, Hash>,
}

#[derive(Clone, Copy)]
struct Session {
    account: u32,
    number: u64,
    expires: Wall,
}

impl Sessions {
    /// Takes in what was written down.
    pub(super) fn insert(&mut self, (account, number): (u32, u64), hash: Hash, expires: Wall) {
        self.by_hash.insert(hash, Session { account, number, expires });
        self.of.entry(account).or_default().insert(number, hash);
        self.ends.set(hash, expires);
    }

    /// Begins one.
    pub(super) fn open(&mut self, account: u32, hash: Hash, expires: Wall, batch: &mut Batch) {
        let (open, newest) = self.of.get(&account).map_or((0, None), |all| (all.len(), all.last_key_value()));
        let number = newest.map_or(0, |(newest, _)| newest.saturating_add(1));
        if open >= PER_ACCOUNT
            && let Some(oldest) = self.of.get(&account).and_then(|all| all.values().next().copied())
        {
            self.close(&oldest, batch);
        }
        batch.put(&(account, number), &StoredSession::of(&hash, expires));
        self.insert((account, number), hash, expires);
    }

    /// Whose it is, unless it is over.
    pub(super) fn account(&self, hash: &Hash, now: Wall) -> Option<u32> {
        self.by_hash.get(hash).filter(|session| session.expires > now).map(|session| session.account)
    }

    /// How many of this account are not over.
    pub(super) fn count(&self, account: u32, now: Wall) -> usize {
        let all = self.of.get(&account).into_iter().flat_map(BTreeMap::values);
        all.filter(|hash| self.account(hash, now).is_some()).count()
    }

    /// Ends one, if it is one.
    pub(super) fn close(&mut self, hash: &Hash, batch: &mut Batch) {
        let Some(Session { account, number, .. }) = self.by_hash.remove(hash) else { return };
        self.ends.clear(*hash);
        if let Some(all) = self.of.get_mut(&account) {
            all.remove(&number);
            if all.is_empty() {
                self.of.remove(&account);
            }
        }
        batch.delete::<StoredSession>(&(account, number));
    }

    /// Ends all of an account.
    pub(super) fn close_all(&mut self, account: u32, batch: &mut Batch) {
        for hash in self.of.remove(&account).into_iter().flat_map(BTreeMap::into_values) {
            self.by_hash.remove(&hash);
            self.ends.clear(hash);
        }
        batch.delete_range::<StoredSession>((account, 0)..=(account, u64::MAX));
    }

    /// Forgets some that are over.
    pub(super) fn sweep(&mut self, now: Wall, batch: &mut Batch) {
        for _ in 0..SWEEP {
            let Some(hash) = self.ends.pop(now) else { return };
            self.close(&hash, batch);
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }
}
