//! What has to be done on disk before something can be asked of the machine: directories of pools, files to be published.
//!
//! Rights come first: nobody has a directory made, or finds out about a file, where he may not publish. The machine is asked
//! again with the whole thing, and decides.

use super::{Failed, Handle};
use crate::base::Secret;
use crate::hub::files::{self, look_patiently, make_below, measure_patiently};
use crate::hub::machine::{Ask, By, NewItem, NewPool, NewPull, NewTag, Refusal, Room, Verdict};
use crate::hub::model::{BadName, Look, Pool, PoolName, Reading, file_name};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Files that are read at once before they are published. The others wait: more would only make all of them slower.
static READERS: Semaphore = Semaphore::const_new(2);

/// Why something is not published, or a pool not made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The machine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such file, or it is none: what a look found.
    #[error("{}", no_file(.0))]
    NoFile(Look),
    /// It changes all the time, or the disk fails; for people.
    #[error("the file could not be read: {0}")]
    Unreadable(String),
    /// The directory cannot be that of a pool; for people, with the field.
    #[error("{0}")]
    Directory(String),
    /// The room does not answer.
    #[error(transparent)]
    Failed(#[from] Failed),
}

fn no_file(look: &Look) -> String {
    match look {
        Look::There(_) => "detail: the file is there".to_owned(), // and nobody says that it is not
        Look::Missing => "detail: there is no such file in the item's directory".to_owned(),
        Look::NotAFile => "detail: it is not a regular file".to_owned(),
        Look::Unreadable(why) => format!("detail: the file cannot be read: {why}"),
        Look::Escaped => "detail: a symbolic link leads out of the item's directory".to_owned(),
        Look::PoolGone(why) => format!("detail: the file cannot be reached: {why}"),
    }
}

impl Handle {
    /// Makes a pool, and its directory where there is none.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn make_pool(&self, by: By, name: PoolName, conn: &str) -> Result<Verdict, PublishError> {
        let wish = PathBuf::from(conn);
        let roots = self.settings().pool_roots.clone();
        let handle = self.clone();
        let wanted = name.clone();
        let dir = on_disk(move || {
            let roots = Roots::open(&roots);
            // By its name alone, before anything is looked at: nobody learns here what lies elsewhere, or in others' pools.
            roots.name(&wish)?;
            handle.look(|room| admits_pool(room, by, &wanted, &wish))?;
            let (there, rest) = roots.place(&wish)?;
            handle.look(|room| admits_pool(room, by, &wanted, &joined(&there, &rest)))?;
            roots.make(&there, &rest)
        });
        let verdict = self.ask(Ask::MakePool(by, NewPool { name, dir: dir.await? })).await?;
        self.0.verifier.pools_changed();
        Ok(verdict)
    }

    /// Makes an item, and its directory in the pool where there is none: nothing is made on the disk for one that is refused.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn make_item(&self, by: By, new: NewItem) -> Result<Verdict, PublishError> {
        let pool = self.look(|room| admits_item(room, by, &new))?;
        let dir = Arc::clone(&new.dir);
        let made = move || files::directory(&pool.dir, &dir).map_err(|why| at_field("itemdesc", &why));
        on_disk(made).await?;
        Ok(self.ask(Ask::MakeItem(by, new)).await?)
    }

    /// Publishes a file: small ones are read before it is answered ([`NewTag::read`] is filled in here).
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, by: By, mut new: NewTag) -> Result<Verdict, PublishError> {
        new.detail = file_name("detail", &new.detail).map_err(Refusal::Name)?;
        let admitted = self.look(|room| room.admits_publication(by, &new.rep, &new.item, &new.tag, new.replace));
        let (pool, item) = admitted?;
        let stat_every = self.settings().stat_every;
        let stamp = match look_patiently(&pool.dir, &item.dir, &new.detail, stat_every).await {
            Look::There(stamp) => stamp,
            other => return Err(PublishError::NoFile(other)),
        };
        (new.read, new.size) = (None, stamp.size);
        if stamp.size <= self.settings().rules.inline_hash_max {
            // It is never closed.
            let _turn = READERS.acquire().await.map_err(|_| Failed::Gone)?;
            let (stamp, digests) = match measure_patiently(&pool.dir, &item.dir, &new.detail, stat_every).await {
                Reading::Whole(stamp, digests) => (stamp, digests),
                Reading::Nothing(look) => return Err(PublishError::NoFile(look)),
                Reading::Unsteady => return Err(PublishError::Unreadable("it changes all the time".to_owned())),
                Reading::Failed(why) => return Err(PublishError::Unreadable(why)),
            };
            (new.read, new.size) = (Some((stamp, digests)), digests.size);
        }
        Ok(self.ask(Ask::Publish(by, Box::new(new))).await?)
    }

    /// Begins a pull. The secret is for `username` at the source. The job may begin before its secret is kept: a job whose
    /// source says that there is one waits for it.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn pull(&self, by: By, mut new: NewPull, secret: Option<Secret>) -> Result<Verdict, PublishError> {
        new.source.dir = component("itemdesc", &new.source.dir)?;
        new.source.file = file_name("destname", &new.source.file).map_err(Refusal::Name)?;
        new.source.secret = secret.is_some();
        self.look(|room| room.admits_into(by, &new.source.pool))?;
        let handle = self.clone();
        // On its own: who asks may go before the answer comes, and the secret has to reach the job nevertheless.
        let asked = tokio::spawn(async move {
            let verdict = handle.ask(Ask::Pull(by, new)).await?;
            if let (Verdict::Job(job), Some(secret)) = (&verdict, secret) {
                handle.0.pulls.keep_secret(job.id, secret);
                // It may be over already: nobody tells of that a second time.
                if handle.look(|room| room.job(job.id).is_none_or(|job| job.state.is_over())) {
                    handle.0.pulls.stop(job.id);
                }
            }
            Ok(verdict)
        });
        asked.await.map_err(|_| Failed::Gone)?
    }
}

/// Does something on disk, away from the runtime's thread.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failed::Gone)?
}

/// A name of a directory: one component, as it stands.
fn component(field: &'static str, text: &str) -> Result<Arc<str>, PublishError> {
    let expected = || BadName { field, expected: "one directory's name, without \"/\"".to_owned() };
    let name = file_name(field, text).map_err(Refusal::Name)?;
    if *name == *text { Ok(name) } else { Err(Refusal::Name(expected()).into()) }
}

fn at_field(field: &str, why: &io::Error) -> PublishError {
    PublishError::Directory(format!("{field}: {why}"))
}

/// The pool of an item to be, as things stand.
fn admits_item(room: &Room, by: By, new: &NewItem) -> Result<Arc<Pool>, Refusal> {
    let foreign = |owner| !by.admin && by.account != owner;
    if room.repository(&new.rep).is_some_and(|repository| foreign(repository.owner)) {
        return Err(Refusal::Foreign(format!("the repository {} is another user's", new.rep)));
    }
    let pool = room.admits_into(by, &new.pool)?;
    match room.item(&new.rep, &new.name) {
        Some(item) => Err(Refusal::Taken { what: "item", name: format!("{}/{}", item.rep, item.name) }),
        None => Ok(pool),
    }
}

/// Whether the machine could make this pool, as far as it is known before there is a directory.
fn admits_pool(room: &Room, by: By, name: &PoolName, dir: &Path) -> Result<(), PublishError> {
    if room.pool(name).is_some() {
        return Err(Refusal::Taken { what: "datapool", name: name.to_string() }.into());
    }
    let overlaps = |other: &Path| dir.starts_with(other) || other.starts_with(dir);
    let foreign = room.pools().any(|pool| pool.owner != by.account && overlaps(&pool.dir));
    if foreign { Err(Refusal::Overlaps.into()) } else { Ok(()) }
}

/// The directories below which pools may lie.
struct Roots<'a> {
    given: &'a [PathBuf],
    /// Without symbolic links; those that are not there and cannot be made are left out.
    real: Vec<PathBuf>,
}

impl<'a> Roots<'a> {
    /// Makes those that are missing. Blocks, as all of this.
    fn open(given: &'a [PathBuf]) -> Roots<'a> {
        let real = |root: &PathBuf| {
            if let Err(why) = std::fs::create_dir_all(root) {
                tracing::warn!(root = %root.display(), %why, "no data pool can lie below a root");
            }
            root.canonicalize().ok()
        };
        Roots { given, real: given.iter().filter_map(real).collect() }
    }

    /// Whether a path reads as if it lay below one of them.
    fn name(&self, wish: &Path) -> Result<(), PublishError> {
        let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        if !wish.is_absolute() || !wish.components().all(is_plain) || wish.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(PublishError::Directory("conn: expected an absolute path without \"..\"".to_owned()));
        }
        let below = self.given.iter().chain(&self.real).any(|root| wish.starts_with(root));
        if below { Ok(()) } else { Err(self.outside()) }
    }

    /// Where a pool's directory would lie: what is there of it, without symbolic links, and what would have to be made.
    fn place(&self, wish: &Path) -> Result<(PathBuf, PathBuf), PublishError> {
        self.name(wish)?;
        let mut there = wish;
        let real = loop {
            match there.canonicalize() {
                Ok(real) => break real,
                // A link that leads nowhere is there, and nothing is made in its place.
                Err(why) if why.kind() != io::ErrorKind::NotFound || there.is_symlink() => {
                    return Err(at_field("conn", &why));
                }
                Err(_) => there = there.parent().unwrap_or(Path::new("/")),
            }
        };
        let rest = wish.strip_prefix(there).unwrap_or(Path::new("")).to_owned();
        if self.hold(&joined(&real, &rest)) { Ok((real, rest)) } else { Err(self.outside()) }
    }

    /// Makes what is missing, and looks again where that is: somebody may have moved things meanwhile.
    fn make(&self, there: &Path, rest: &Path) -> Result<PathBuf, PublishError> {
        make_below(there, rest).map_err(|why| at_field("conn", &why))?;
        let dir = joined(there, rest).canonicalize().map_err(|why| at_field("conn", &why))?;
        if self.hold(&dir) { Ok(dir) } else { Err(self.outside()) }
    }

    /// Whether it lies below one of them.
    fn hold(&self, dir: &Path) -> bool {
        self.real.iter().any(|root| dir != root && dir.starts_with(root))
    }

    fn outside(&self) -> PublishError {
        let all: Vec<_> = self.given.iter().map(|root| root.display().to_string()).collect();
        PublishError::Directory(format!("conn: expected a directory below {}", all.join(" or ")))
    }
}

/// Without a slash at the end where there is nothing to join.
fn joined(there: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { there.to_owned() } else { there.join(rest) }
}

#[cfg(test)]
mod tests;
