//! Who speaks for a fetch: sends what was given and what is configured, answers challenges, and renews what has expired.
//!
//! For each repository there is one proof at a time, with a number. Which number a URL was last asked with is known, so
//! of many fetches that are refused at once, one fetches a new token and the others try that; and a fresh token that is
//! refused is not fetched again and again.

use super::Credentials;
use super::challenge::{self, Challenge};
use super::exchange::{self, Asked};
use crate::base::Secret;
use crate::cache::origin::{Authority, Origins, is_secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue, RANGE};
use hyper::{HeaderMap, StatusCode};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::{Origin, Url};

/// A proof that is refused so soon after it was given, and was never taken, will not be better the next time.
const FRESH: Duration = Duration::from_secs(10);
/// Tokens are longer than one thinks, but not like this.
const TOKEN_MAX: usize = 256 << 10;
/// Of so many URLs it is remembered what they were asked with: the layers of the largest images, many times over.
const REMEMBERED: usize = 4096;

/// See the head of this file.
pub(super) struct Speaker {
    origins: Origins,
    /// What is sent with every request.
    headers: HeaderMap,
    /// For challenges, before what is configured.
    account: Option<(String, Secret)>,
    /// Secrets are for this origin alone; none: they are for whatever is asked for.
    home: Option<Origin>,
    proofs: Mutex<Proofs>,
    /// See [`FRESH`].
    pub(super) fresh: Duration,
    /// One challenge is answered at a time.
    answering: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Proofs {
    /// For each place.
    held: HashMap<Place, Proof>,
    /// The number of the proof with which a URL was last asked; 0: with none.
    used: HashMap<String, u64>,
    last: u64,
}

/// What one proof is good for: an origin, and of a registry one repository.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    origin: Origin,
    repository: Option<String>,
}

struct Proof {
    number: u64,
    header: HeaderValue,
    since: Instant,
    /// The registry has taken it.
    good: bool,
}

impl Speaker {
    pub(super) fn new(origins: &Origins, credentials: Credentials, home: Option<&Url>) -> Speaker {
        let Credentials { mut headers, account } = credentials;
        // What part is wanted, and under which conditions, is for the fetch to say.
        for name in [RANGE, ACCEPT_ENCODING, CONTENT_LENGTH] {
            headers.remove(name);
        }
        let conditions: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("if-")).cloned().collect();
        for name in conditions {
            headers.remove(name);
        }
        Speaker {
            origins: origins.clone(),
            headers,
            account,
            home: home.map(Url::origin),
            proofs: Mutex::default(),
            fresh: FRESH,
            answering: tokio::sync::Mutex::default(),
        }
    }

    /// An `authorization` was given: it is sent as it is, and no challenge is answered.
    pub(super) fn is_settled(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    fn proofs(&self) -> MutexGuard<'_, Proofs> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what was given is for this URL, too.
    fn is_home(&self, url: &Url) -> bool {
        self.home.as_ref().is_none_or(|home| *home == url.origin())
    }

    /// The account for challenges of whoever answers at this URL.
    fn account_for(&self, url: &Url) -> Option<&(String, Secret)> {
        let given = self.account.as_ref().filter(|_| self.is_home(url));
        given.or_else(|| self.origins.account(url))
    }

    /// The same as [`Authority::challenged`], of a repository that the URL need not name, with why not.
    pub(super) async fn answer(
        &self,
        url: &Url,
        headers: &HeaderMap,
        repository: Option<&str>,
    ) -> Result<bool, String> {
        if self.is_settled() && self.is_home(url) {
            return Ok(false);
        }
        let Some(challenge) = challenge::read(headers) else { return Ok(false) };
        let place = Place { origin: url.origin(), repository: repository.map(str::to_owned) };
        let _one = self.answering.lock().await;
        {
            let proofs = self.proofs();
            let used = proofs.used.get(url.as_str()).copied().unwrap_or(0);
            if let Some(held) = proofs.held.get(&place) {
                if held.number != used {
                    return Ok(true);
                }
                if !held.good && held.since.elapsed() < self.fresh {
                    return Ok(false);
                }
            }
        }
        let account = self.account_for(url);
        let header = match challenge {
            Challenge::Basic => match account {
                Some(account) => basic(account)?,
                None => return Ok(false),
            },
            Challenge::Bearer { realm, service, scope } => {
                let scope = repository.map(|name| format!("repository:{name}:pull")).or(scope);
                self.token(url, &realm, service.as_deref(), scope.as_deref(), account).await?
            }
        };
        let mut proofs = self.proofs();
        proofs.last += 1;
        let number = proofs.last;
        proofs.held.insert(place, Proof { number, header, since: Instant::now(), good: false });
        Ok(true)
    }

    /// The proof that a URL was last asked with was good enough: when it is refused later, also soon, it has ended.
    pub(super) fn taken(&self, url: &Url) {
        let place = Place { origin: url.origin(), repository: repository_of(url).map(str::to_owned) };
        let mut proofs = self.proofs();
        let used = proofs.used.get(url.as_str()).copied().unwrap_or(0);
        if let Some(held) = proofs.held.get_mut(&place).filter(|held| held.number == used) {
            held.good = true;
        }
    }

    /// Why nothing is shown to whoever answers at this URL, where somebody might wonder.
    pub(super) fn hint(&self, url: &Url) -> &'static str {
        let host = url.port().map(|port| format!("{}:{port}", url.host_str().unwrap_or_default()));
        let known = self.origins.registry(host.as_deref().or(url.host_str()).unwrap_or_default());
        let withheld = known.is_some_and(|registry| registry.account.is_some()) && self.account_for(url).is_none();
        match url.scheme() {
            "http" if withheld && !self.is_settled() => {
                " (the account that is configured for it is not sent in the clear unless its entry says plain = true)"
            }
            _ => "",
        }
    }

    /// Fetches a token.
    async fn token(
        &self,
        url: &Url,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        account: Option<&(String, Secret)>,
    ) -> Result<HeaderValue, String> {
        let mut realm = url.join(realm).map_err(|_| "its token endpoint is no URL".to_owned())?;
        let asked_at = realm.origin().ascii_serialization();
        // A password is not sent in the clear, unless it would be to the registry itself.
        let safe = realm.scheme() == "https" || url.scheme() == "http" && realm.host() == url.host();
        if account.is_some() && !safe {
            return Err(format!("its token endpoint {asked_at} has no TLS: the password is not sent there"));
        }
        {
            let mut query = realm.query_pairs_mut();
            for (name, value) in
                [("service", service), ("scope", scope), ("account", account.map(|(name, _)| &name[..]))]
            {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
        }
        let mut headers = HeaderMap::new();
        if let Some(account) = account {
            headers.insert(AUTHORIZATION, basic(account)?);
        }
        let told = |what: &str| format!("the token endpoint {asked_at} {what}");
        let answer = exchange::get(&self.origins, realm, headers, TOKEN_MAX).await?;
        match answer {
            Asked { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } if account.is_some() => {
                Err(told("refuses this name and password"))
            }
            Asked { status, .. } if !status.is_success() => Err(told(&format!("answers {status}{}", self.hint(url)))),
            Asked { body, .. } => {
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let token = ["token", "access_token"].iter().find_map(|name| answer.get(name)?.as_str());
                let token = token.filter(|token| !token.is_empty()).ok_or_else(|| told("gives no token"))?;
                secret(format!("Bearer {token}")).ok_or_else(|| told("gives what is no token"))
            }
        }
    }
}

impl Authority for Speaker {
    fn headers(&self, url: &Url) -> HeaderMap {
        let mut headers = self.headers.clone();
        let home = self.is_home(url);
        if !home {
            for name in self.headers.keys().filter(|name| is_secret(name)) {
                headers.remove(name);
            }
        }
        if headers.contains_key(AUTHORIZATION) {
            return headers;
        }
        let repository = repository_of(url);
        let mut proofs = self.proofs();
        if proofs.used.len() >= REMEMBERED {
            proofs.used.clear();
        }
        // Others than registries are told at once: many of them only say that there is nothing.
        let told_at_once = || repository.is_none().then(|| self.origins.account(url)).flatten();
        let place = Place { origin: url.origin(), repository: repository.map(str::to_owned) };
        let held = proofs.held.get(&place).map(|proof| (proof.number, proof.header.clone()));
        let (number, header) = match held {
            Some((number, header)) => (number, Some(header)),
            None => (0, told_at_once().and_then(|account| basic(account).ok())),
        };
        proofs.used.insert(url.as_str().to_owned(), number);
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header);
        }
        headers
    }

    fn challenged<'a>(&'a self, url: &'a Url, answer: &'a HeaderMap) -> BoxFuture<'a, bool> {
        async move {
            let answered = self.answer(url, answer, repository_of(url)).await;
            answered.unwrap_or_else(|why| {
                tracing::warn!("{}: {why}", url.origin().ascii_serialization());
                false
            })
        }
        .boxed()
    }
}

/// The repository that a URL of a registry is about: `/v2/REPOSITORY/(blobs|manifests)/…`.
fn repository_of(url: &Url) -> Option<&str> {
    let path = url.path().strip_prefix("/v2/")?;
    let cut = |word: &str| path.rsplit_once(word).map(|(repository, _)| repository);
    cut("/blobs/").or_else(|| cut("/manifests/")).filter(|repository| !repository.is_empty())
}

fn basic((name, password): &(String, Secret)) -> Result<HeaderValue, String> {
    let pair = STANDARD.encode(format!("{name}:{}", password.expose()));
    secret(format!("Basic {pair}")).ok_or_else(|| "the name and the password cannot be sent".to_owned())
}

fn secret(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
