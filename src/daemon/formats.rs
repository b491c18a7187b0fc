//! The formats of the data, beside the data: so that a new binary can see whether it knows them while the running
//! daemon holds the store.

use crate::store::{self, Table};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

type Formats = BTreeMap<String, u32>;

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("formats")
}

fn known(tables: &[Table]) -> Formats {
    let kinds = tables.iter().map(|table| (table.kind().name().to_owned(), u32::from(table.format())));
    kinds.chain([("store".to_owned(), store::FORMAT)]).collect()
}

/// Notes what this binary writes. Called when the store is open, so everything older has been migrated.
///
/// # Errors
/// The file system's.
pub fn note(data_dir: &Path, tables: &[Table]) -> io::Result<()> {
    let text = serde_json::to_vec(&known(tables)).map_err(io::Error::other)?;
    let path = file(data_dir);
    if std::fs::read(&path).is_ok_and(|now| now == text) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let mut out = std::fs::File::create(&new)?;
    out.write_all(&text)?;
    out.sync_all()?;
    std::fs::rename(new, path)
}

/// Whether this binary knows every format that is there. A directory without a note is new.
///
/// # Errors
/// What it does not know.
pub fn check(data_dir: &Path, tables: &[Table]) -> Result<(), String> {
    let text = match std::fs::read(file(data_dir)) {
        Ok(text) => text,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why.to_string()),
    };
    let there: Formats = serde_json::from_slice(&text).map_err(|why| format!("formats: {why}"))?;
    let known = known(tables);
    match there.iter().find(|(kind, format)| known.get(*kind).is_none_or(|known| known < format)) {
        Some((kind, format)) => {
            Err(format!("the data has format {format} of {kind}, which this version does not know"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_data_is_refused_and_own_data_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let tables = crate::daemon::tables();
        check(dir.path(), &tables).unwrap();
        note(dir.path(), &tables).unwrap();
        check(dir.path(), &tables).unwrap();
        std::fs::write(file(dir.path()), r#"{"store":1,"proc.task":99}"#).unwrap();
        assert!(check(dir.path(), &tables).unwrap_err().contains("format 99 of proc.task"));
        std::fs::write(file(dir.path()), r#"{"weather":1}"#).unwrap();
        assert!(check(dir.path(), &tables).unwrap_err().contains("weather"));
    }
}
