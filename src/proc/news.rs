//! The keeper's words in the machine's.

use super::launch::{self, Place};
use super::machine::{Exit, Held, LiveRun};
use super::model::{Status, Usage};
use crate::base::{RunId, Wall};
use crate::keeper as kept;
use crate::logs::Logs;

/// How the keeper says a process ended.
pub(super) fn status(status: kept::Status) -> Status {
    match status {
        kept::Status::Code(code) => Status::Code(code),
        kept::Status::Signal { signal, core_dumped } => Status::Signal { signal, core_dumped },
    }
}

/// What the keeper counted.
pub(super) fn usage(usage: kept::Rusage) -> Usage {
    Usage {
        user: usage.user,
        system: usage.system,
        max_rss_kib: usage.max_rss_kib,
        minor_faults: usage.minor_faults,
        major_faults: usage.major_faults,
        blocks_in: usage.in_blocks,
        blocks_out: usage.out_blocks,
    }
}

/// Microseconds since the epoch as a moment.
pub(super) fn wall(micros: u64) -> Wall {
    i64::try_from(micros).ok().and_then(Wall::from_timestamp_micros).unwrap_or(Wall::UNIX_EPOCH)
}

/// The facts of an exit, as far as the keeper knows them.
pub(super) fn exit(
    seq: u64,
    run: RunId,
    status: kept::Status,
    rusage: kept::Rusage,
    ended: u64,
    oom: bool,
    tree_empty: bool,
) -> Exit {
    Exit {
        seq,
        run,
        status: self::status(status),
        usage: usage(rusage),
        ended: wall(ended),
        oom,
        tree_empty,
        log: None,
    }
}

/// What the keeper holds, in the machine's words.
pub(super) async fn held(logs: &Logs, held: kept::Held, mut intent: LiveRun, recorded: bool) -> Held {
    if held.pid > 0 {
        intent.leader = Some((held.pid, held.start_ticks));
    }
    let exit = match held.state {
        kept::HeldState::Starting | kept::HeldState::Live => None,
        kept::HeldState::Exited { seq, status, rusage, ended, oom, .. } => {
            let place = Place::of_run(intent.incarnation, intent.replica, intent.log_from);
            let exit = exit(seq, intent.run, status, rusage, ended, oom, held.tree_empty);
            Some(Exit { log: launch::lengths(logs, &place).await, ..exit })
        }
    };
    Held { intent, exit, tree_empty: held.tree_empty, recorded }
}
