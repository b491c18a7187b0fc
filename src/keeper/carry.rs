//! What a keeper carries over into the binary that it becomes.
//!
//! All slots with their exits, leftovers, the core's pid, the facts of control groups, and the numbers of descriptors
//! that stay open: listening sockets and the pipes of children on their way. It lies in a memfd whose number is in
//! the environment. The first two bytes are [`FORMAT`], which is raised with any change of shape; a new binary is
//! shown the state before the keeper becomes it ([`check`]), so that a refusal costs nothing.
//!
//! **Absent:** what the new keeper finds out by itself: watches, timers, the connection to the core (it ends with the
//! exec, and a new core follows).

use crate::keeper::cgroup::Groups;
use crate::keeper::leftovers::Leftovers;
use crate::keeper::machine::{Core, Machine, Slot};
use crate::keeper::model::{CgroupFacts, Stopping};
use crate::keeper::notify::STATE;
use crate::keeper::sys;
use crate::keeper::wire::{Malformed, decode, encode, fields};
use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The shape of the carried state.
pub const FORMAT: u16 = 1;

/// The state, as it is written down.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Carried {
    slots: Vec<(u64, Slot)>,
    seq: u64,
    max_slots: usize,
    stopping: Stopping,
    leftovers: Vec<u8>,
    core: Option<i32>,
    groups_wish: Option<Option<PathBuf>>,
    groups_facts: CgroupFacts,
    nofile: (u64, u64),
    /// The path by which the daemon was started, made absolute then.
    pub(super) program: PathBuf,
    /// Listening sockets: name, descriptor.
    pub(super) listeners: Vec<(String, i32)>,
    /// Forked children on their way to their program: slot, descriptor.
    pub(super) pipes: Vec<(u64, i32)>,
}

fields!(Carried {
    slots,
    seq,
    max_slots,
    stopping,
    leftovers,
    core,
    groups_wish,
    groups_facts,
    nofile,
    program,
    listeners,
    pipes,
});

/// Why a carried state is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// It is not there.
    #[error("no carried state: {0}")]
    Missing(&'static str),
    /// It cannot be read.
    #[error("cannot read the carried state")]
    Read(#[from] io::Error),
    /// It has another shape.
    #[error("the carried state has format {0}, this program knows {FORMAT}")]
    Format(u16),
    /// It is damaged.
    #[error("the carried state is damaged: {0}")]
    Malformed(#[from] Malformed),
}

/// For the self-check of a new binary: whether this program could take over from the keeper that runs it. The answer is
/// the names of the listening sockets that the keeper holds. Without a keeper that asks there is nothing to say against
/// it, and no answer. At most one call in the life of a program.
///
/// # Errors
/// It could not, and why.
pub fn check() -> Result<Option<Vec<String>>, CarryError> {
    if env::var_os(STATE).is_none() {
        return Ok(None);
    }
    let carried = read()?;
    carried.machine(None)?;
    Ok(Some(carried.listeners.into_iter().map(|(name, _)| name).collect()))
}

/// Reads the state that the environment points to.
pub(super) fn read() -> Result<Carried, CarryError> {
    let number = env::var(STATE).map_err(|_| CarryError::Missing("no variable"))?;
    let number = number.parse().map_err(|_| CarryError::Missing("no number"))?;
    let mut file = File::from(sys::inherited(number).ok_or(CarryError::Missing("no descriptor"))?);
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Carried, CarryError> {
    let (format, state) = bytes.split_first_chunk::<2>().ok_or(Malformed::Short)?;
    match u16::from_le_bytes(*format) {
        FORMAT => Ok(decode(state)?),
        other => Err(CarryError::Format(other)),
    }
}

impl Carried {
    /// Writes down what a keeper is.
    pub(super) fn of(
        machine: &Machine,
        groups: &Groups,
        nofile: [u64; 2],
        program: PathBuf,
        listeners: &[(String, OwnedFd)],
        pipes: &std::collections::BTreeMap<u64, OwnedFd>,
    ) -> Carried {
        Carried {
            slots: machine.slots.iter().map(|(slot, held)| (*slot, held.clone())).collect(),
            seq: machine.seq,
            max_slots: machine.max_slots,
            stopping: machine.stopping,
            leftovers: machine.leftovers.carried(),
            core: machine.core_pid(),
            groups_wish: groups.wish.clone(),
            groups_facts: groups.facts.clone(),
            nofile: nofile.into(),
            program,
            listeners: listeners.iter().map(|(name, fd)| (name.clone(), fd.as_raw_fd())).collect(),
            pipes: pipes.iter().map(|(slot, fd)| (*slot, fd.as_raw_fd())).collect(),
        }
    }

    /// A file with the state in it.
    pub(super) fn file(&self) -> io::Result<OwnedFd> {
        let mut file = File::from(sys::memfd("hostler-state")?);
        file.write_all(&FORMAT.to_le_bytes())?;
        file.write_all(&encode(self))?;
        Ok(file.into())
    }

    /// The keeper's mind again; the loop adds the descriptors.
    pub(super) fn machine(&self, watchdog: Option<Duration>) -> Result<Machine, Malformed> {
        let mut machine = Machine::new(watchdog);
        machine.slots = self.slots.iter().cloned().collect();
        machine.seq = self.seq;
        machine.max_slots = self.max_slots;
        machine.stopping = self.stopping;
        machine.leftovers = Leftovers::taken_over(&self.leftovers)?;
        machine.ever_ready = true;
        if let Some(pid) = self.core {
            machine.core = Core::Ending { pid, kill_at: None, was_ready: true };
        }
        machine.index();
        Ok(machine)
    }

    pub(super) fn groups(&self) -> Groups {
        Groups { wish: self.groups_wish.clone(), facts: self.groups_facts.clone() }
    }

    pub(super) fn nofile(&self) -> [u64; 2] {
        self.nofile.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_another_format_is_refused() {
        let machine = Machine::new(None);
        let none = std::collections::BTreeMap::new();
        let carried = Carried::of(&machine, &Groups::default(), [1, 2], "/bin/x".into(), &[], &none);
        let mut bytes = FORMAT.to_le_bytes().to_vec();
        bytes.extend(encode(&carried));
        assert_eq!(parse(&bytes).unwrap(), carried);
        assert!(matches!(parse(&bytes[..bytes.len() - 1]), Err(CarryError::Malformed(_))));
        bytes[0] += 1;
        assert!(matches!(parse(&bytes), Err(CarryError::Format(2))));
        assert!(matches!(parse(&[]), Err(CarryError::Malformed(Malformed::Short))));
    }
}
