//! Which piece next: who fetches what. Pure.

use crate::cache::model::Crc;
use crate::cache::model::Pieces;
use std::ops::Range;

/// Pieces that one request asks for.
pub(super) const WINDOW: u32 = 16;

/// What is there, and what is being fetched.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    /// How many there are; none: as many as come.
    total: Option<u32>,
    done: Pieces,
    /// None below it is missing.
    low: u32,
    taken: Vec<Range<u32>>,
}

impl Claims {
    /// Nothing there yet.
    pub(super) fn new(total: Option<u32>) -> Claims {
        Claims { total, done: Pieces::new(), low: 0, taken: Vec::new() }
    }

    /// How many there are, now that it is known.
    pub(super) fn set_total(&mut self, total: u32) {
        self.total = Some(total);
    }

    /// One has come.
    pub(super) fn put(&mut self, number: u32, crc: Crc) {
        self.done.put(number, crc);
        while self.has(self.low) {
            self.low += 1;
        }
    }

    /// One is not there any more.
    pub(super) fn lose(&mut self, number: u32) {
        self.done.take(number);
        self.low = self.low.min(number);
    }

    /// Whether it is there.
    pub(super) fn has(&self, number: u32) -> bool {
        self.done.get(number).is_some()
    }

    /// Those that are there.
    pub(super) fn done(&self) -> &Pieces {
        &self.done
    }

    /// How many are there without a gap, from the first on.
    pub(super) fn in_order(&self) -> u32 {
        self.low
    }

    /// Whether anything is missing; where nobody knows how many there are, always.
    pub(super) fn is_missing_any(&self) -> bool {
        self.total.is_none_or(|total| self.low < total)
    }

    /// Takes the lowest pieces that are missing and that nobody fetches, no more than so many.
    pub(super) fn next(&mut self, window: u32) -> Option<Range<u32>> {
        let total = self.total?;
        let start = (self.low..total).find(|number| self.is_free(*number))?;
        let claim = start..self.free_from(start, window);
        self.taken.push(claim.clone());
        Some(claim)
    }

    /// Takes everything from the first piece on, for an answer that brings it all: no further than so many pieces, or, where
    /// it is to bring everything alone, without a bound.
    pub(super) fn first(&mut self, window: Option<u32>) -> Range<u32> {
        let all = self.total.unwrap_or(u32::MAX);
        let claim = 0..window.map_or(all, |window| all.min(window));
        self.taken.push(claim.clone());
        claim
    }

    /// Takes what follows a claim, as far as it is missing and nobody fetches it, no more than so many; whether there is
    /// any.
    pub(super) fn extend(&mut self, claim: &mut Range<u32>, window: u32) -> bool {
        let end = self.free_from(claim.end, window);
        if end == claim.end {
            return false;
        }
        let longer = claim.start..end;
        if let Some(taken) = self.taken.iter_mut().find(|taken| **taken == *claim) {
            *taken = longer.clone();
        }
        *claim = longer;
        true
    }

    /// Gives up what was taken.
    pub(super) fn release(&mut self, claim: &Range<u32>) {
        if let Some(at) = self.taken.iter().position(|taken| taken == claim) {
            self.taken.swap_remove(at);
        }
    }

    fn is_free(&self, number: u32) -> bool {
        !self.has(number) && !self.taken.iter().any(|taken| taken.contains(&number))
    }

    /// The end of the free pieces that begin here.
    fn free_from(&self, start: u32, window: u32) -> u32 {
        let end = self.total.unwrap_or(u32::MAX).min(start.saturating_add(window));
        (start..end).find(|number| !self.is_free(*number)).unwrap_or(end.max(start))
    }
}
