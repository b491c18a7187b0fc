//! Tokens: text that carries rights.
//!
//! A token is 48 characters from `A–Z a–z 0–9 - _`, 36 random bytes in URL-safe base64, the length and alphabet of
//! Dragonfly's. It is shown once, to the one who makes it; kept is its SHA-256, which is also what it is found by.
//! (There is nothing to guess in 288 random bits, so no slow hash is needed and no comparison can be timed.)
//!
//! ```text
//! mint --> valid --time--> expired --mint with the same name--> gone
//!            `--revoke--> gone
//! ```
//!
//! Whoever makes a token gives away what he holds and nothing else. Its tasks run as its owner, and it touches what its
//! owner may touch by his uid: being in the operators' group does not rub off on a token, the scope `admin` does.
//!
//! **Absent:** tokens made with tokens, save by those with `admin`: a token that leaked could otherwise outlive its own
//! revocation.

use super::caller::{Caller, Denied, TokenHolder};
use super::scope::Scope;
use crate::base::{Now, Secret, Wall};
use crate::store::{Batch, CommitError, Kind, ReadError, Record, Store, Table};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Random bytes in a token.
const BYTES: usize = 36;
/// Tokens one user may own.
pub const PER_OWNER: usize = 100;
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 64;

/// What is known about a token. Its text is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number, never reused.
    pub id: u64,
    /// What its owner calls it; no two of an owner are called the same.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// The user as whom its tasks run.
    pub owner: u32,
    /// When it was made.
    pub created: Wall,
    /// When it ends; none: when it is revoked.
    pub expires: Option<Wall>,
    /// Who made it.
    pub created_by: String,
    /// When it was last shown, since this daemon started: not written down.
    pub last_used: Option<Wall>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct Ask {
    /// See [`Token::name`].
    pub name: String,
    /// See [`Token::scopes`]; at least one.
    pub scopes: Vec<Scope>,
    /// See [`Token::owner`]; none: the one who asks.
    pub owner: Option<u32>,
    /// See [`Token::expires`].
    pub expires: Option<Wall>,
}

/// A token that opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Never given out, or revoked.
    #[error("the token is unknown or revoked")]
    Unknown,
    /// Its time is over.
    #[error("the token {name} expired at {at}", at = .at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))]
    Expired {
        /// Its name.
        name: String,
        /// Its last moment.
        at: Wall,
    },
}

/// A token that is not made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The one who asks may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The name cannot be one.
    #[error("a token's name is 1 to {LONGEST_NAME} bytes without control characters, \"/\" and \":\"")]
    Name,
    /// It would be good for nothing.
    #[error("a token needs at least one scope")]
    NoScopes,
    /// It would never be valid.
    #[error("the expiry lies in the past")]
    Past,
    /// The owner has one of that name.
    #[error("uid {owner} has a token named \"{name}\" already")]
    Taken {
        /// The name.
        name: String,
        /// The owner.
        owner: u32,
    },
    /// The owner has too many.
    #[error("uid {owner} has {PER_OWNER} tokens already")]
    TooMany {
        /// The owner.
        owner: u32,
    },
    /// The kernel gives no random bytes.
    #[error("no random bytes can be had: {0}")]
    NoRandomness(String),
    /// It could not be written down.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A token that is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The one who asks may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none of this number, or it is somebody else's.
    #[error("there is no token {0} of yours")]
    Unknown(u64),
    /// It could not be written down.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

type Hash = [u8; 32];

/// All tokens. Clones are the same table.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    store: Store,
    /// Held from a decision until it is with the store, so that both see the same order.
    table: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_hash: HashMap<Hash, Held>,
    by_id: BTreeMap<u64, Hash>,
    last_id: u64,
}

struct Held {
    token: Token,
    /// Microseconds since the epoch; 0 is never.
    last_used: AtomicI64,
}

impl Held {
    fn token(&self) -> Token {
        let used = self.last_used.load(Ordering::Relaxed);
        let last_used = (used != 0).then(|| Wall::from_timestamp_micros(used)).flatten();
        Token { last_used, ..self.token.clone() }
    }

    fn is_over(&self, now: Wall) -> bool {
        self.token.expires.is_some_and(|at| at <= now)
    }
}

impl Known {
    fn insert(&mut self, hash: Hash, token: Token) {
        self.last_id = self.last_id.max(token.id);
        self.by_id.insert(token.id, hash);
        self.by_hash.insert(hash, Held { token, last_used: AtomicI64::new(0) });
    }

    /// Adds a new token and says what to write down.
    fn mint(
        &mut self,
        hash: Hash,
        owner: u32,
        created_by: String,
        ask: Ask,
        now: Wall,
    ) -> Result<(Token, Batch), MintError> {
        let Ask { name, mut scopes, expires, .. } = ask;
        scopes.sort_unstable();
        scopes.dedup();
        let mut batch = Batch::new();
        let namesake = self.of(owner).find(|held| held.token.name == name);
        match namesake.map(|held| (held.token.id, held.is_over(now))) {
            Some((id, true)) => {
                batch.delete::<Stored>(&id);
                self.remove(id);
            }
            Some((_, false)) => return Err(MintError::Taken { name, owner }),
            None if self.of(owner).count() >= PER_OWNER => return Err(MintError::TooMany { owner }),
            None => {}
        }
        let id = self.last_id + 1;
        let token = Token { id, name, scopes, owner, created: now, expires, created_by, last_used: None };
        batch.put(&(), &LastId(id));
        batch.put(&id, &Stored::of(&hash, &token));
        self.insert(hash, token.clone());
        Ok((token, batch))
    }

    fn remove(&mut self, id: u64) {
        if let Some(hash) = self.by_id.remove(&id) {
            self.by_hash.remove(&hash);
        }
    }

    fn by_id(&self, id: u64) -> Option<&Held> {
        self.by_hash.get(self.by_id.get(&id)?)
    }

    fn of(&self, owner: u32) -> impl Iterator<Item = &Held> {
        self.by_hash.values().filter(move |held| held.token.owner == owner)
    }
}

impl Tokens {
    /// Reads the tokens from the store. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn load(store: Store) -> Result<Tokens, ReadError> {
        let reader = store.reader();
        let mut table = Known { last_id: reader.get::<LastId>(&())?.map_or(0, |last| last.0), ..Known::default() };
        for record in reader.scan::<Stored>(..) {
            let (id, stored) = record?;
            if let Some((hash, token)) = stored.read(id) {
                table.insert(hash, token);
            } else {
                tracing::error!(id, "a token's record has no readable hash: the token is ignored");
            }
        }
        Ok(Tokens(Arc::new(Inner { store, table: RwLock::new(table) })))
    }

    /// The holder of the token with this text, at `now`. `reaches_all` tells which owners may touch what is not theirs.
    ///
    /// # Errors
    /// Unknown or expired.
    pub(super) fn holder(
        &self,
        text: &str,
        now: Wall,
        reaches_all: impl Fn(u32) -> bool,
    ) -> Result<TokenHolder, Refused> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let held = table.by_hash.get(&hash(text)).ok_or(Refused::Unknown)?;
        let token = &held.token;
        if let Some(at) = token.expires.filter(|at| *at <= now) {
            return Err(Refused::Expired { name: token.name.clone(), at });
        }
        held.last_used.store(now.timestamp_micros(), Ordering::Relaxed);
        Ok(TokenHolder {
            id: token.id,
            name: token.name.clone(),
            owner: token.owner,
            reaches_all: reaches_all(token.owner),
            scopes: token.scopes.clone(),
        })
    }

    /// Makes a token. Its text is in the answer, and nowhere else from then on. Returns once it is on disk.
    ///
    /// # Errors
    /// See [`MintError`].
    pub async fn mint(&self, by: &Caller, ask: Ask, now: Now) -> Result<(Secret, Token), MintError> {
        let owner = may_mint(by, &ask)?;
        if !is_name(&ask.name) {
            return Err(MintError::Name);
        }
        if ask.scopes.is_empty() {
            return Err(MintError::NoScopes);
        }
        if ask.expires.is_some_and(|at| at <= now.wall) {
            return Err(MintError::Past);
        }
        let mut random = [0; BYTES];
        getrandom::fill(&mut random).map_err(|why| MintError::NoRandomness(why.to_string()))?;
        let text = BASE64_URL_SAFE_NO_PAD.encode(random);
        let (token, ticket) = {
            let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
            let (token, batch) = table.mint(hash(&text), owner, by.name(), ask, now.wall)?;
            (token, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok((Secret::new(text), token))
    }

    /// Takes a token back: its next request is refused. Returns once that is on disk.
    ///
    /// # Errors
    /// See [`RevokeError`].
    pub async fn revoke(&self, by: &Caller, id: u64) -> Result<Token, RevokeError> {
        may_manage(by)?;
        let (token, ticket) = {
            let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
            let held = table.by_id(id).filter(|held| may_see(by, &held.token));
            let token = held.ok_or(RevokeError::Unknown(id))?.token();
            table.remove(id);
            let mut batch = Batch::new();
            batch.delete::<Stored>(&id);
            (token, self.0.store.submit(batch))
        };
        ticket.durable().await?;
        Ok(token)
    }

    /// The caller's tokens, or all for an operator, by number; expired ones too.
    ///
    /// # Errors
    /// The one who asks is no user and no operator.
    pub fn list(&self, by: &Caller) -> Result<Vec<Token>, Denied> {
        may_manage(by)?;
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let all = table.by_id.keys().filter_map(|id| table.by_id(*id)).map(Held::token);
        Ok(all.filter(|token| may_see(by, token)).collect())
    }
}

/// Tokens are made, seen and revoked by users and operators, not by other tokens.
fn may_manage(by: &Caller) -> Result<(), Denied> {
    by.require_known()?;
    if by.token_holder().is_some() && !by.is_operator() {
        let message = format!("this needs a user or a token with the scope admin, and {} is neither", by.name());
        return Err(Denied::forbidden(message));
    }
    Ok(())
}

fn may_see(by: &Caller, token: &Token) -> bool {
    by.is_operator() || by.uid() == Some(token.owner)
}

/// Whether `by` may make such a token, and for whom.
fn may_mint(by: &Caller, ask: &Ask) -> Result<u32, Denied> {
    may_manage(by)?;
    if let Some(scope) = ask.scopes.iter().find(|scope| !by.holds(**scope)) {
        return Err(Denied::forbidden(format!("nobody grants a scope he does not hold: {} lacks {scope}", by.name())));
    }
    match (ask.owner, by.uid()) {
        (Some(owner), own) if own == Some(owner) || by.is_operator() => Ok(owner),
        (None, Some(own)) => Ok(own),
        (Some(_), _) => Err(Denied::forbidden("only operators make tokens for other users")),
        (None, None) => Err(Denied::unknown("the token would have no owner")),
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(|c| c.is_control() || c == '/' || c == ':')
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// The kinds of records that tokens are kept as.
pub const TABLES: [Table; 2] = [Table::of::<Stored>(), Table::of::<LastId>()];

/// A token as it is written down.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// URL-safe base64.
    sha256: String,
    name: String,
    scopes: Vec<Scope>,
    owner: u32,
    created: Wall,
    expires: Option<Wall>,
    created_by: String,
}

impl Stored {
    fn of(hash: &Hash, token: &Token) -> Stored {
        Stored {
            sha256: BASE64_URL_SAFE_NO_PAD.encode(hash),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            owner: token.owner,
            created: token.created,
            expires: token.expires,
            created_by: token.created_by.clone(),
        }
    }

    /// Nothing when the hash is none.
    fn read(self, id: u64) -> Option<(Hash, Token)> {
        let hash = BASE64_URL_SAFE_NO_PAD.decode(&self.sha256).ok()?.try_into().ok()?;
        let Stored { name, scopes, owner, created, expires, created_by, .. } = self;
        Some((hash, Token { id, name, scopes, owner, created, expires, created_by, last_used: None }))
    }
}

impl Record for Stored {
    const KIND: Kind = Kind::new(0x20, "auth.token");
    const FORMAT: u8 = 1;
    type Key = u64;

    fn mask(json: &mut Value) {
        if let Some(hash) = json.get_mut("sha256") {
            *hash = Value::from("…");
        }
    }
}

/// The newest number given to a token, so that none is given twice.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct LastId(u64);

impl Record for LastId {
    const KIND: Kind = Kind::new(0x21, "auth.last_token");
    const FORMAT: u8 = 1;
    type Key = ();
}
