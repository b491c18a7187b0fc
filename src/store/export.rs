//! All records as JSON lines, for people and for other programs. Secrets are masked; what no table knows is only named.

use super::backup::RECORDS;
use super::formats::Table;
use super::reader::{ReadError, View};
use super::record::DecodeError;
use crate::base::Hex;
use serde_json::json;
use std::io::{self, BufWriter, Write};

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A record cannot be read: run a check.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Writes one line for each record: `{"kind":…,"key":…,"record":{…}}`. How many there are.
pub(super) fn export(view: &dyn View, tables: &[Table], out: &mut dyn Write) -> Result<u64, ExportError> {
    let mut out = BufWriter::new(out);
    let mut lines = 0;
    for pair in view.scan(vec![RECORDS.0], vec![RECORDS.1], false) {
        let (key, value) = pair?;
        let table = tables.iter().find(|table| key.first() == Some(&table.kind().byte()));
        let line = match table {
            Some(table) => {
                let shown: Result<_, DecodeError> = table.show(&key, &value);
                let (key, record) = shown.map_err(ReadError::Record)?;
                json!({ "kind": table.kind().name(), "key": key, "record": record })
            }
            // A record of a kind that this version does not know might hold secrets.
            None => json!({ "kind": null, "key": Hex(&key).to_string(), "bytes": value.len() }),
        };
        serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        lines += 1;
    }
    out.flush()?;
    Ok(lines)
}
