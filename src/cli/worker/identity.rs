//! Who a worker is: a number, a name and a secret, kept in a file that several processes may share.
//!
//! The file is there whole or not at all, and readable by its owner only. Who registers holds a lock on the file beside
//! it: the others find what the first has written.

use crate::cli::client::{Call, Client, segment};
use crate::cli::exit::Problem;
use crate::cli::file::Fresh;
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at a lock that another process holds: it does so for one request.
const LOOK: Duration = Duration::from_millis(20);

/// A worker's number and what it proves itself with, as worker programs keep them.
#[derive(Clone, Deserialize, Serialize, PartialEq, Eq)]
pub(in crate::cli) struct Identity {
    /// Its number.
    pub(in crate::cli) id: u32,
    /// What it calls itself.
    #[serde(default)]
    pub(in crate::cli) alias: String,
    /// 32 bytes in base64.
    secret: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} \"{}\")", self.id, self.alias)
    }
}

impl Identity {
    /// Of the answer to a registration.
    ///
    /// # Errors
    /// It is none.
    pub(in crate::cli) fn of(content: &Value) -> Result<Identity, Problem> {
        let worker = content.get("worker").cloned().unwrap_or_default();
        serde_json::from_value(worker)
            .map_err(|error| Problem::Local(format!("the daemon has not said who the new worker is: {error}")))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub(in crate::cli) fn read(file: &Path) -> Result<Identity, Problem> {
        match Identity::find(file)? {
            Some(identity) => Ok(identity),
            None => Err(Problem::Misuse(format!(
                "there is no worker in {}: `hostler worker create --identity FILE` makes one",
                file.display()
            ))),
        }
    }

    /// As [`read`](Identity::read); none where there is no file.
    fn find(file: &Path) -> Result<Option<Identity>, Problem> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Problem::Local(format!("cannot read {}: {error}", file.display()))),
        };
        // The parser's own words might quote the secret.
        let read = serde_json::from_str(&text).map_err(|error| {
            let place = format!("{} line {} column {}", file.display(), error.line(), error.column());
            Problem::Misuse(format!("{place}: expected {{\"id\": 7, \"alias\": \"…\", \"secret\": \"…\"}}"))
        })?;
        Ok(Some(read))
    }

    /// Writes it where nobody else may read it, in place of what was there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(in crate::cli) fn write(&self, file: &Path) -> Result<(), Problem> {
        let mut fresh = Fresh::create(file)?;
        fresh.write(format!("{}\n", json!(self)).as_bytes())?;
        fresh.commit()
    }

    /// The call, made as this worker.
    pub(in crate::cli) fn sign(&self, call: Call) -> Call {
        let Ok(mut secret) = HeaderValue::try_from(&self.secret) else { return call };
        secret.set_sensitive(true);
        call.header(HeaderName::from_static("x-worker-id"), HeaderValue::from(self.id))
            .header(HeaderName::from_static("x-secret"), secret)
    }
}

/// Where workers of a project keep their identity unless told otherwise: root's below `/var/lib`, else the user's own
/// state directory.
///
/// # Errors
/// A user without a home.
pub(in crate::cli) fn default_place(
    project: &str,
    variable: impl Fn(&str) -> Option<PathBuf>,
    root: bool,
) -> Result<PathBuf, Problem> {
    let file = format!("{}.json", segment(project));
    if root {
        return Ok(Path::new("/var/lib/hostler-worker").join(file));
    }
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    let state = state
        .ok_or_else(|| Problem::Misuse("neither XDG_STATE_HOME nor HOME is set: say --identity FILE".to_owned()))?;
    Ok(state.join("hostler/workers").join(file))
}

/// An identity's file, and how to fill it.
#[derive(Debug)]
pub(in crate::cli) struct Store {
    /// The file.
    pub(in crate::cli) file: PathBuf,
    /// What a new worker calls itself.
    pub(in crate::cli) alias: String,
}

impl Store {
    /// The identity in the file, or a new one where there is none, or only `lost`, which the daemon does not know.
    ///
    /// # Errors
    /// The file, or the daemon's.
    pub(in crate::cli) async fn obtain(
        &self,
        client: &mut Client,
        lost: Option<&Identity>,
    ) -> Result<Identity, Problem> {
        let kept = |found: Option<Identity>| found.filter(|found| Some(found) != lost);
        if let Some(identity) = kept(Identity::find(&self.file)?) {
            return Ok(identity);
        }
        let _lock = self.lock().await?;
        if let Some(identity) = kept(Identity::find(&self.file)?) {
            return Ok(identity);
        }
        let call = Call::post("/worker/create").body(&json!({ "alias": self.alias }));
        let identity = Identity::of(&client.content(call).await?)?;
        identity.write(&self.file)?;
        Ok(identity)
    }

    /// Held until it is dropped; this thread never blocks, since whoever holds it may be another job of this process.
    async fn lock(&self) -> Result<File, Problem> {
        let failed = |error: io::Error| Problem::Local(format!("cannot lock {}: {error}", self.file.display()));
        if let Some(directory) = self.file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        }
        let mut name = self.file.as_os_str().to_owned();
        name.push(".lock");
        let options = File::options().write(true).create(true).truncate(false).mode(0o600).open(name);
        let file = options.map_err(failed)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK).await,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn seven() -> Identity {
        Identity { id: 7, alias: "crawler".to_owned(), secret: "c2VjcmV0".to_owned() }
    }

    #[test]
    fn an_identity_is_kept_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("w.json");
        assert_eq!(Identity::find(&file).unwrap(), None);
        seven().write(&file).unwrap();
        assert_eq!(Identity::read(&file).unwrap(), seven());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_holds_something_else_is_named_and_its_secret_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("w.json");
        fs::write(&file, r#"{"id": "hunter2", "secret": "hunter2"}"#).unwrap();
        let why = Identity::read(&file).unwrap_err().to_string();
        assert!(why.contains("w.json line 1") && why.contains("expected {\"id\"") && !why.contains("hunter2"), "{why}");
        assert!(!format!("{:?}", seven()).contains("c2VjcmV0"));
    }

    #[test]
    fn it_lies_in_the_state_of_its_user() {
        let none = |_: &str| None;
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/ann"));
        let state = |name: &str| Some(PathBuf::from(if name == "HOME" { "/home/ann" } else { "/state" }));
        let place = |text: &str| PathBuf::from(text);
        assert_eq!(default_place("a/b", none, true).unwrap(), place("/var/lib/hostler-worker/a%2Fb.json"));
        let at_home = place("/home/ann/.local/state/hostler/workers/web.json");
        assert_eq!(default_place("web", home, false).unwrap(), at_home);
        assert_eq!(default_place("web", state, false).unwrap(), place("/state/hostler/workers/web.json"));
        assert!(default_place("web", none, false).is_err());
    }
}
