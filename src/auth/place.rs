//! Where requests come from, as far as limits go, and how often something may be done from there.

use super::{Peer, Source};
use crate::base::{Mono, Timers};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Where requests come from. Ports and processes are too cheap to count; so are the addresses within a network of
/// IPv6 that is given to one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A user of this host, on whichever of its doors: users share their addresses, and are not to pay for each other.
    User(u32),
    /// The Unix socket, from somebody unknown.
    Unix,
    /// An address.
    V4(Ipv4Addr),
    /// The first 64 bits of an address.
    V6(u64),
}

impl Place {
    /// The user, where the kernel names one. What the request says does not count: whoever could choose his place, would.
    pub fn of(peer: &Peer) -> Place {
        peer.uid().map_or_else(|| Place::from(peer.from()), Place::User)
    }
}

impl From<Source> for Place {
    fn from(source: Source) -> Place {
        match source {
            Source::Unix { .. } => Place::Unix,
            Source::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V4(ip) => Place::V4(ip),
                IpAddr::V6(ip) => Place::V6((ip.to_bits() >> 64) as u64),
            },
        }
    }
}

/// Places that an [`Allowance`] remembers at once: some 1 MB. Beyond that the one that has used least goes.
const MOST: usize = 10_000;

/// How often something may be done from each place: so many times at once, and once more after each pause.
///
/// Kept of a place is the moment at which its allowance will be whole again; what is whole is forgotten.
#[derive(Debug)]
pub struct Allowance {
    every: Duration,
    at_once: Duration,
    whole: Timers<Mono, Place>,
}

impl Allowance {
    /// `at_once` times at once, and one more whenever `every` has passed.
    pub fn new(at_once: u32, every: Duration) -> Allowance {
        Allowance { every, at_once: every.saturating_mul(at_once), whole: Timers::default() }
    }

    /// Uses one of `place`.
    ///
    /// # Errors
    /// There is none left: how long until there is. Nothing was used then.
    pub fn take(&mut self, place: Place, now: Mono) -> Result<(), Duration> {
        while self.whole.pop(now).is_some() {}
        let whole = self.whole.get(place).unwrap_or(now).max(now) + self.every;
        let rest = (whole - now).saturating_sub(self.at_once);
        if !rest.is_zero() {
            return Err(rest);
        }
        if self.whole.get(place).is_none() && self.whole.count() >= MOST {
            self.whole.pop(Mono(Duration::MAX));
        }
        self.whole.set(place, whole);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn neither_port_nor_process_makes_another_place() {
        let place = |address: &str| Place::from(Source::Tcp(address.parse().unwrap()));
        assert_eq!(place("192.0.2.1:5"), place("192.0.2.1:6"));
        assert_ne!(place("192.0.2.1:5"), place("192.0.2.2:5"));
        assert_eq!(place("192.0.2.1:5"), place("[::ffff:192.0.2.1]:5"));
        assert_eq!(place("[2001:db8::1]:5"), place("[2001:db8::2:3:4]:6"));
        assert_ne!(place("[2001:db8::1]:5"), place("[2001:db8:0:1::1]:5"));
        assert_eq!(Place::from(Source::Unix { pid: 1 }), Place::from(Source::Unix { pid: 2 }));
    }

    #[test]
    fn an_allowance_is_used_up_and_comes_back_one_by_one() {
        let mut allowance = Allowance::new(3, Duration::from_secs(10));
        let (here, there) = (Place::User(1000), Place::User(1001));
        for _ in 0..3 {
            assert_eq!(allowance.take(here, at(100)), Ok(()));
        }
        assert_eq!(allowance.take(here, at(100)), Err(Duration::from_secs(10)));
        assert_eq!(allowance.take(here, at(106)), Err(Duration::from_secs(4)), "what was refused costs nothing");
        assert_eq!(allowance.take(there, at(106)), Ok(()), "another place has its own");
        assert_eq!(allowance.take(here, at(110)), Ok(()));
        assert_eq!(allowance.take(here, at(110)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(allowance.take(here, at(140)), Ok(()), "it is whole again");
        }
        assert_eq!(allowance.take(here, at(140)), Err(Duration::from_secs(10)));
        assert_eq!(allowance.whole.count(), 1, "what is whole is forgotten");
    }

    #[test]
    fn only_so_many_places_are_remembered() {
        let mut allowance = Allowance::new(2, Duration::from_secs(10));
        allowance.take(Place::User(0), at(0)).unwrap();
        allowance.take(Place::User(0), at(0)).unwrap();
        for user in 1..=MOST as u32 {
            allowance.take(Place::User(user), at(0)).unwrap();
        }
        assert_eq!(allowance.whole.count(), MOST);
        assert!(allowance.take(Place::User(0), at(0)).is_err(), "who has used most is remembered");
    }
}
