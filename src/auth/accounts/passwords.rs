//! Passwords: slow hashes, made and checked off the runtime's thread, two at once at most.
//!
//! What is hashed is the lower-case hexadecimal MD5 of the password, because clients of the data hub send that in place
//! of the password: one hash then serves both. MD5 protects nothing here; argon2id does. Where such clients sign in
//! ([`Form::OrDigest`]), a text that has the form of an MD5 is tried as one, and as a password.
//!
//! Every check costs one argon2id, whatever comes of it, so that nobody learns from the time it takes whether an
//! account exists or was imported.

use super::words::AccountError;
use crate::base::{Hex, Secret, hex, same};
use crate::store::CommitError;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use md5::Md5;
use sha2::{Digest, Sha512};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for one hash: 19 MiB, in KiB. This and the next two are OWASP's first choice for argon2id.
const MEMORY: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// How a hash of these costs begins.
const PRESENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// How many are made or checked at once: more would only take memory and processors from everything else.
const AT_ONCE: usize = 2;
/// Random bytes that make equal passwords differ.
const SALT: usize = 16;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// An argon2id hash as a PHC string, salt and costs included.
    Argon2id(String),
    /// SHA-512 over password and name, from another tracker.
    Sha512([u8; 64]),
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kept::Argon2id(_) => "Argon2id(…)",
            Kept::Sha512(_) => "Sha512(…)",
        })
    }
}

/// What may be shown in place of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing else.
    Password,
    /// The 32 small hexadecimal digits of its MD5, too.
    OrDigest,
}

/// What a check found.
#[derive(Debug)]
pub(super) enum Found {
    /// It is the password.
    Right,
    /// It is, and this is what should be kept of it from now on.
    Outdated(Kept),
    /// It is another one.
    Wrong,
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    #[error("no random bytes can be had: {0}")]
    NoRandomness(String),
    #[error("{0}")]
    Failed(String),
}

impl From<HashError> for AccountError {
    fn from(why: HashError) -> AccountError {
        match why {
            HashError::NoRandomness(why) => AccountError::NoRandomness(why),
            HashError::Failed(why) => {
                CommitError::Unwritable(format!("there is no hash of the password: {why}")).into()
            }
        }
    }
}

/// The turns.
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    /// One, for those who make an account for themselves: anybody may want any number of those, and the other turns are
    /// for people who have one.
    newcomer: Arc<Semaphore>,
}

/// A turn to make or check one hash. It is given back when it is dropped, and that is not before the work is over, also
/// when nobody waits for it any longer.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _newcomer: Option<OwnedSemaphorePermit>,
}

impl Passwords {
    pub(super) fn new() -> Passwords {
        Passwords { turns: Arc::new(Semaphore::new(AT_ONCE)), newcomer: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<Turn, HashError> {
        Ok(Turn { _permit: permit(&self.turns).await?, _newcomer: None })
    }

    /// Waits for a turn behind all other newcomers: one of them at a time stands in the queue for turns.
    pub(super) async fn turn_of_a_newcomer(&self) -> Result<Turn, HashError> {
        let newcomer = Some(permit(&self.newcomer).await?);
        Ok(Turn { _permit: permit(&self.turns).await?, _newcomer: newcomer })
    }
}

async fn permit(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, HashError> {
    of.clone().acquire_owned().await.map_err(|why| HashError::Failed(why.to_string()))
}

impl Turn {
    /// What to keep of a new password.
    pub(super) async fn hash(self, password: &Secret) -> Result<Kept, HashError> {
        let password = password.clone();
        Ok(self.work(move || hash(&password)).await?.0)
    }

    /// Whether `password` is the one of which `kept` was kept for the account `name`. Without `kept` it is not, at the
    /// same cost. With the turn, to be kept until what was found has had its consequences.
    pub(super) async fn check(
        self,
        name: &str,
        password: &Secret,
        form: Form,
        kept: Option<Arc<Kept>>,
    ) -> Result<(Found, Turn), HashError> {
        let (name, password) = (name.to_owned(), password.clone());
        self.work(move || check(&name, &password, form, kept.as_deref())).await
    }

    async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<(T, Turn), HashError> {
        // The turn goes with the work: if nobody waits for the answer any longer, both are dropped together.
        let done = tokio::task::spawn_blocking(move || work().map(|done| (done, self)));
        done.await.unwrap_or_else(|why| Err(HashError::Failed(why.to_string())))
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|why| HashError::Failed(why.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// See the head of the file.
fn inner(password: &Secret) -> String {
    Hex(&Md5::digest(password.expose().as_bytes())).to_string()
}

fn hash(password: &Secret) -> Result<Kept, HashError> {
    hash_inner(&inner(password))
}

fn hash_inner(inner: &str) -> Result<Kept, HashError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|why| HashError::NoRandomness(why.to_string()))?;
    let hash: PasswordHash =
        argon2()?.hash_password_with_salt(inner.as_bytes(), &salt).map_err(|why| HashError::Failed(why.to_string()))?;
    Ok(Kept::Argon2id(hash.to_string()))
}

/// Takes as long as hashes of all these, for nothing.
fn decoy(inners: &[String]) -> Result<Found, HashError> {
    for inner in inners {
        let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
        argon2()?
            .hash_password_into(inner.as_bytes(), &[0; SALT], &mut out)
            .map_err(|why| HashError::Failed(why.to_string()))?;
        std::hint::black_box(out);
    }
    Ok(Found::Wrong)
}

/// What may have been hashed, if this is the password: how much work that is depends on nothing but what is shown.
fn inners(shown: &Secret, form: Form) -> Vec<String> {
    let text = shown.expose();
    let digest = Some(text.to_owned()).filter(|text| form == Form::OrDigest && hex::is_small(text, 32));
    // A password may look like a digest.
    digest.into_iter().chain([inner(shown)]).collect()
}

fn check(name: &str, shown: &Secret, form: Form, kept: Option<&Kept>) -> Result<Found, HashError> {
    let inners = inners(shown, form);
    match kept {
        None => decoy(&inners),
        Some(Kept::Argon2id(text)) => verify(&inners, text),
        Some(Kept::Sha512(expected)) => {
            // Its own digest is over the password itself.
            let found = Sha512::new().chain_update(shown.expose()).chain_update(name).finalize();
            if same(&found, expected) { hash(shown).map(Found::Outdated) } else { decoy(&inners) }
        }
    }
}

/// Whether one of these was hashed to `text`.
fn verify(inners: &[String], text: &str) -> Result<Found, HashError> {
    let unreadable = |why: &dyn std::fmt::Display| HashError::Failed(format!("its hash is unreadable: {why}"));
    let parsed = PasswordHash::new(text).map_err(|why| unreadable(&why))?;
    for inner in inners {
        // The costs are the ones in the hash.
        match Argon2::default().verify_password(inner.as_bytes(), &parsed) {
            Ok(()) if text.starts_with(PRESENT) => return Ok(Found::Right),
            Ok(()) => return hash_inner(inner).map(Found::Outdated),
            Err(password_hash::Error::PasswordInvalid) => {}
            Err(why) => return Err(unreadable(&why)),
        }
    }
    Ok(Found::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_hash_is_argon2id_with_these_costs_over_the_md5() {
        let Kept::Argon2id(text) = hash(&secret("correcthorse")).unwrap() else { panic!("not argon2id") };
        assert!(text.starts_with(PRESENT), "{text}");
        // md5("") is a well-known text.
        assert_eq!(inner(&secret("")), "d41d8cd98f00b204e9800998ecf8427e");
        let parsed = PasswordHash::new(&text).unwrap();
        Argon2::default().verify_password(inner(&secret("correcthorse")).as_bytes(), &parsed).unwrap();
        assert_ne!(hash(&secret("correcthorse")).unwrap(), Kept::Argon2id(text), "the salt is random");
    }

    #[test]
    fn a_check_tells_right_from_wrong() {
        let kept = hash(&secret("correcthorse")).unwrap();
        let found =
            |password: &str, kept: Option<&Kept>| check("alice", &secret(password), Form::Password, kept).unwrap();
        assert!(matches!(found("correcthorse", Some(&kept)), Found::Right));
        assert!(matches!(found("correcthorsE", Some(&kept)), Found::Wrong));
        assert!(matches!(found("correcthorse", None), Found::Wrong));
        let unreadable = check("alice", &secret("x"), Form::Password, Some(&Kept::Argon2id("$argon2id$".to_owned())));
        assert!(matches!(unreadable, Err(HashError::Failed(_))));
    }

    #[test]
    fn a_hash_of_other_costs_is_replaced() {
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let old: PasswordHash = cheap.hash_password_with_salt(inner(&secret("pw")).as_bytes(), &[7; SALT]).unwrap();
        let found = check("alice", &secret("pw"), Form::Password, Some(&Kept::Argon2id(old.to_string()))).unwrap();
        let Found::Outdated(Kept::Argon2id(new)) = found else { panic!("{found:?}") };
        assert!(new.starts_with(PRESENT), "{new}");
    }

    #[test]
    fn an_imported_hash_is_over_password_and_name() {
        let whole: [u8; 64] = Sha512::digest("correcthorsealice").into();
        assert_eq!(whole[..8], [0xdb, 0xf5, 0xdb, 0x31, 0x3d, 0xa7, 0x9a, 0x97]);
        let kept = Kept::Sha512(whole);
        let found = |name: &str, password: &str| check(name, &secret(password), Form::Password, Some(&kept)).unwrap();
        assert!(matches!(found("alice", "correcthorse"), Found::Outdated(Kept::Argon2id(_))));
        assert!(matches!(found("alice", "correcthors"), Found::Wrong));
        assert!(matches!(found("bob", "correcthorse"), Found::Wrong));
    }

    #[test]
    fn a_digest_is_as_good_as_its_password_where_it_may_be_shown() {
        let kept = hash(&secret("correcthorse")).unwrap();
        let digest = inner(&secret("correcthorse"));
        let found = |shown: &str, form, kept: &Kept| check("alice", &secret(shown), form, Some(kept)).unwrap();
        assert!(matches!(found(&digest, Form::OrDigest, &kept), Found::Right));
        assert!(matches!(found("correcthorse", Form::OrDigest, &kept), Found::Right));
        assert!(matches!(found(&digest, Form::Password, &kept), Found::Wrong));
        assert!(matches!(found(&digest.to_uppercase(), Form::OrDigest, &kept), Found::Wrong));
        assert!(matches!(found(&inner(&secret("x")), Form::OrDigest, &kept), Found::Wrong));
        // A password that looks like a digest is one all the same.
        let kept = hash(&secret(&digest)).unwrap();
        assert!(matches!(found(&digest, Form::OrDigest, &kept), Found::Right));
        assert!(matches!(found("correcthorse", Form::OrDigest, &kept), Found::Wrong));
    }

    #[test]
    fn a_hash_of_other_costs_is_replaced_by_one_over_the_same_digest() {
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let digest = inner(&secret("pw"));
        let old: PasswordHash = cheap.hash_password_with_salt(digest.as_bytes(), &[7; SALT]).unwrap();
        let found = check("alice", &secret(&digest), Form::OrDigest, Some(&Kept::Argon2id(old.to_string()))).unwrap();
        let Found::Outdated(new) = found else { panic!("{found:?}") };
        assert!(matches!(check("alice", &secret("pw"), Form::Password, Some(&new)).unwrap(), Found::Right));
    }

    #[test]
    fn an_imported_hash_cannot_be_compared_with_a_digest() {
        let kept = Kept::Sha512(Sha512::digest("correcthorsealice").into());
        let found = |shown: &str| check("alice", &secret(shown), Form::OrDigest, Some(&kept)).unwrap();
        assert!(matches!(found(&inner(&secret("correcthorse"))), Found::Wrong));
        let Found::Outdated(new) = found("correcthorse") else { panic!("wrong") };
        let digest = inner(&secret("correcthorse"));
        assert!(matches!(check("alice", &secret(&digest), Form::OrDigest, Some(&new)).unwrap(), Found::Right));
    }

    #[test]
    fn what_is_shown_alone_says_how_much_work_it_is() {
        let count = |shown: &str, form| inners(&secret(shown), form).len();
        let digest = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!((count(digest, Form::OrDigest), count(digest, Form::Password)), (2, 1));
        assert_eq!((count("x", Form::OrDigest), count(&digest[1..], Form::OrDigest)), (1, 1));
    }

    #[test]
    fn no_hash_is_shown() {
        assert_eq!(format!("{:?}", Kept::Argon2id("secret".to_owned())), "Argon2id(…)");
        assert_eq!(format!("{:?}", Kept::Sha512([1; 64])), "Sha512(…)");
    }

    #[tokio::test]
    async fn a_turn_is_held_until_the_work_is_over() {
        let passwords = Passwords::new();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let work = passwords.turn().await.unwrap().work(move || {
            held.recv().ok(); // until the test lets it go
            Ok(())
        });
        let mut work = Box::pin(work);
        tokio::select! {
            biased;
            _ = &mut work => panic!("the work is not over"),
            () = std::future::ready(()) => {}
        }
        drop(work);
        assert_eq!(passwords.turns.available_permits(), AT_ONCE - 1, "nobody waits for it, and it still runs");
        drop(release);
        let all = u32::try_from(AT_ONCE).unwrap();
        drop(passwords.turns.acquire_many(all).await.unwrap());
    }

    #[tokio::test]
    async fn newcomers_leave_a_turn_to_everybody_else() {
        let passwords = Passwords::new();
        let first = passwords.turn_of_a_newcomer().await.unwrap();
        let mut second = Box::pin(passwords.turn_of_a_newcomer());
        tokio::select! {
            biased;
            _ = &mut second => panic!("two newcomers at once"),
            turn = passwords.turn() => drop(turn.unwrap()),
        }
        drop(first);
        drop(second.await.unwrap());
    }
}
