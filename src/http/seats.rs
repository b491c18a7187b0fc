//! How many connections there may be: all together, and of one user, so that nobody can shut the others out alone.

use crate::auth::{Peer, Source};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Whose connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Guest {
    Uid(u32),
    Address(IpAddr),
    /// On this host, and more than that is not known: a local user has sixteen million loopback addresses.
    Unnamed,
}

impl Guest {
    fn of(peer: &Peer) -> Guest {
        Guest::named(peer.uid(), peer.from())
    }

    fn named(uid: Option<u32>, from: Source) -> Guest {
        match (uid, from) {
            (Some(uid), _) => Guest::Uid(uid),
            (None, Source::Tcp(from)) if !from.ip().is_loopback() => Guest::Address(from.ip()),
            (None, Source::Tcp(_) | Source::Unix { .. }) => Guest::Unnamed,
        }
    }
}

/// Who sits where.
pub struct Seats {
    all: usize,
    per_guest: usize,
    taken: watch::Sender<usize>,
    guests: Mutex<HashMap<Guest, usize>>,
}

/// A seat; given back when dropped.
pub struct Seat(Arc<Seats>);

/// A seat among those of one guest; given back when dropped.
pub struct Place(Arc<Seats>, Guest);

impl Seats {
    /// So many for everybody, so many of them for one guest.
    pub fn new(all: usize, per_guest: usize) -> Seats {
        Seats { all, per_guest, taken: watch::Sender::new(0), guests: Mutex::default() }
    }

    /// A seat, for a connection of whom nothing is known yet. None when all are taken.
    pub fn take(self: &Arc<Seats>) -> Option<Seat> {
        let free = self.taken() < self.all;
        free.then(|| {
            self.taken.send_modify(|taken| *taken += 1);
            Seat(self.clone())
        })
    }

    /// A place among those of `peer`. None when he has as many as he may.
    pub fn take_for(self: &Arc<Seats>, peer: &Peer) -> Option<Place> {
        let guest = Guest::of(peer);
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = guests.entry(guest).or_default();
        let free = *taken < self.per_guest;
        free.then(|| {
            *taken += 1;
            Place(self.clone(), guest)
        })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        *self.taken.borrow()
    }

    /// Waits until all are free.
    pub async fn empty(&self) {
        // The sender lives as long as `self`, so that this ends only with nobody left.
        drop(self.taken.subscribe().wait_for(|taken| *taken == 0).await);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.send_modify(|taken| *taken = taken.saturating_sub(1));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.0.guests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = guests.get_mut(&self.1) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                guests.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_visitors_of_this_host_are_one_guest() {
        let tcp = |text: &str| Source::Tcp(text.parse().unwrap());
        let [first, second] = ["127.0.0.1:1000", "127.9.9.9:1000"].map(|at| Guest::named(None, tcp(at)));
        assert_eq!((first, second), (Guest::Unnamed, Guest::Unnamed));
        assert_eq!(Guest::named(None, Source::Unix { pid: 7 }), Guest::Unnamed);
        assert_ne!(Guest::named(None, tcp("192.0.2.1:1000")), Guest::named(None, tcp("192.0.2.2:1000")));
        assert_eq!(Guest::named(Some(7), tcp("127.0.0.1:1000")), Guest::Uid(7));
    }
}
