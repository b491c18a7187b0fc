//! The logs of accounts: rings of lines, of which the machine knows only the numbers.

use super::{Change, Room, Verdict};
use crate::base::Wall;
use crate::hub::model::AccountId;
use std::collections::HashMap;

/// So many tags of which the same is to be told have a line each; more are told of as one.
pub(super) const FEW: usize = 5;

/// The longest line, in bytes.
const LONGEST: usize = 2_048;

/// All logs.
#[derive(Debug)]
pub(super) struct Lines {
    rings: HashMap<AccountId, Ring>,
    /// How many lines a log has at most.
    most: u64,
}

/// The numbers of the oldest and of the newest line that are kept.
#[derive(Clone, Copy, Debug)]
struct Ring {
    oldest: u64,
    newest: u64,
}

impl Lines {
    /// What was stored: each log's account, the number of its oldest line, and that of its newest. With what falls out of
    /// logs that were written when rings were longer.
    pub(super) fn load(logs: Vec<(AccountId, u64, u64)>, most: usize) -> (Lines, Vec<Change>) {
        let most = most.max(1) as u64;
        let (mut rings, mut dropped) = (HashMap::new(), Vec::new());
        for (account, first, newest) in logs {
            let oldest = first.max((newest + 1).saturating_sub(most));
            if oldest > first {
                dropped.push(Change::LinesGone(account, oldest - 1));
            }
            rings.insert(account, Ring { oldest, newest });
        }
        (Lines { rings, most }, dropped)
    }

    pub(super) fn bounds(&self, account: AccountId) -> Option<(u64, u64)> {
        self.rings.get(&account).map(|ring| (ring.oldest, ring.newest))
    }

    pub(super) fn forget(&mut self, account: AccountId) {
        self.rings.remove(&account);
    }

    /// The number of a new line, and of the one that falls out for it.
    fn next(&mut self, account: AccountId) -> (u64, Option<u64>) {
        let ring = self.rings.entry(account).or_insert(Ring { oldest: 1, newest: 0 });
        ring.newest += 1;
        let is_full = ring.newest - ring.oldest >= self.most;
        let drops = is_full.then_some(ring.oldest);
        ring.oldest += u64::from(is_full);
        (ring.newest, drops)
    }
}

impl Room {
    /// Writes a line, stamped now. Line breaks and control characters become spaces.
    pub(super) fn line(&mut self, account: AccountId, text: String) {
        self.write_line(account, Some(self.now.wall), &text);
    }

    /// Writes a line that has its stamp.
    pub(super) fn stamped_line(&mut self, account: AccountId, text: String) {
        self.write_line(account, None, &text);
    }

    /// Only members have a log; a line without text is none.
    fn write_line(&mut self, account: AccountId, at: Option<Wall>, text: &str) {
        let text = one_line(text);
        if text.is_empty() || self.members.get(account).is_none() {
            return;
        }
        let (number, drops) = self.lines.next(account);
        self.plan.changes.push(Change::Line { account, number, at, text, drops });
    }

    pub(super) fn note(&mut self, lines: Vec<(AccountId, String)>) -> Verdict {
        lines.into_iter().for_each(|(account, text)| self.line(account, text));
        Verdict::Done
    }

    pub(super) fn started(&mut self) -> Verdict {
        self.line_for_all("hostler started")
    }

    pub(super) fn stopping(&mut self) -> Verdict {
        self.tell_crowds();
        self.line_for_all("hostler stops")
    }

    fn line_for_all(&mut self, text: &str) -> Verdict {
        let accounts: Vec<AccountId> = self.members.iter().map(|member| member.account).collect();
        accounts.into_iter().for_each(|account| self.line(account, text.to_owned()));
        Verdict::Done
    }
}

/// A text as one line that is not too long: what breaks lines or steers terminals becomes a space, at the end nothing.
fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let text = text.trim_end_matches(|c: char| breaks(c) || c.is_whitespace());
    let cut = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text[..cut].chars().map(|c| if breaks(c) { ' ' } else { c }).collect()
}
