//! The addresses of this host's own entry listener, as others would call them.

use crate::hub::model::EntryPoint;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the list of this host's addresses is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// An address on which the listener is bound, and whether it speaks TLS there.
pub(super) type Door = (SocketAddr, bool);

/// Where the listener is bound.
pub(super) struct Listens {
    bound: Vec<Door>,
    /// This host's addresses, and when they were asked for.
    here: Mutex<Option<(Instant, Arc<[IpAddr]>)>>,
}

impl Listens {
    pub(super) fn new(bound: Vec<Door>) -> Listens {
        Listens { bound, here: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        self.bound.iter().any(|(bound, _)| bound.port() == port)
    }

    /// Whether a connection to this address would be one to the listener; then, whether TLS is spoken there.
    pub(super) fn is(&self, address: SocketAddr) -> Option<bool> {
        let ip = address.ip().to_canonical();
        let of_port = || self.bound.iter().filter(|(bound, _)| bound.port() == address.port());
        // The kernel, too, prefers who is bound to the very address to who is bound to all.
        let exact = of_port().find(|(bound, _)| bound.ip().to_canonical() == ip);
        let wide =
            || of_port().find(|(bound, _)| covers(bound.ip(), ip) && (ip.is_loopback() || self.here().contains(&ip)));
        exact.or_else(wide).map(|(_, tls)| *tls)
    }

    /// What to connect to, to reach the listener from here.
    pub(super) fn doors(&self) -> Vec<Door> {
        let door = |(bound, tls): &Door| match bound.ip() {
            ip if ip.is_unspecified() => (SocketAddr::new(loopback(ip), bound.port()), *tls),
            _ => (*bound, *tls),
        };
        self.bound.iter().map(door).collect()
    }

    /// See [`super::Reach::own`].
    pub(super) fn entry_points(&self) -> Vec<EntryPoint> {
        let wild = self.bound.iter().any(|(bound, _)| bound.ip().is_unspecified());
        let here = if wild { self.here() } else { Arc::default() };
        entry_points(&self.bound, &here)
    }

    /// This host's addresses.
    fn here(&self) -> Arc<[IpAddr]> {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, ips)) = &*here
            && asked.elapsed() < BELIEVED
        {
            return ips.clone();
        }
        let found = addresses();
        *here = Some((Instant::now(), found.clone()));
        found
    }
}

/// All addresses of all interfaces; nothing, where the kernel does not say.
fn addresses() -> Arc<[IpAddr]> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let ip = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    interfaces.filter_map(ip).collect()
}

/// Whether a listener on the wildcard takes connections to this address: that of IPv6 takes those to IPv4 as well, as
/// Linux has it unless it is told otherwise.
fn covers(wildcard: IpAddr, ip: IpAddr) -> bool {
    match wildcard {
        IpAddr::V4(wildcard) => wildcard.is_unspecified() && ip.is_ipv4(),
        IpAddr::V6(wildcard) => wildcard.is_unspecified(),
    }
}

/// The loopback address of the family of another one.
fn loopback(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// Whether another host can be told this address: link-local ones mean something else there.
fn is_told(ip: &IpAddr) -> bool {
    !ip.is_loopback()
        && match ip {
            IpAddr::V4(ip) => !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        }
}

/// Pure: the entry points of what is bound, on a host with these addresses; each once.
fn entry_points(bound: &[Door], here: &[IpAddr]) -> Vec<EntryPoint> {
    let mut found: Vec<EntryPoint> = Vec::new();
    for (bound, tls) in bound {
        let scheme = if *tls { "https" } else { "http" };
        let ips: Vec<IpAddr> = match bound.ip() {
            wildcard if wildcard.is_unspecified() => {
                let told: Vec<IpAddr> =
                    here.iter().copied().filter(|ip| covers(wildcard, *ip) && is_told(ip)).collect();
                if told.is_empty() { vec![loopback(wildcard)] } else { told }
            }
            ip => vec![ip.to_canonical()],
        };
        for ip in ips {
            // A port of 0 is none that anybody was given.
            let entry = EntryPoint::new(&format!("{scheme}://{}", SocketAddr::new(ip, bound.port())));
            if let Ok(entry) = entry
                && !found.contains(&entry)
            {
                found.push(entry);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bound: &[&str], here: &[&str], tls: bool) -> Vec<String> {
        let bound: Vec<Door> = bound.iter().map(|text| (text.parse().unwrap(), tls)).collect();
        let here: Vec<IpAddr> = here.iter().map(|text| text.parse().unwrap()).collect();
        entry_points(&bound, &here).iter().map(ToString::to_string).collect()
    }

    const HERE: [&str; 6] = ["127.0.0.1", "192.0.2.7", "169.254.3.4", "::1", "2001:db8::7", "fe80::7"];

    #[test]
    fn a_wildcard_stands_for_what_others_can_reach() {
        assert_eq!(texts(&["0.0.0.0:35800"], &HERE, false), ["http://192.0.2.7:35800"]);
        let both = ["https://192.0.2.7:35800", "https://[2001:db8::7]:35800"];
        assert_eq!(texts(&["[::]:35800"], &HERE, true), both);
        assert_eq!(texts(&["0.0.0.0:1", "[::]:1"], &HERE, false).len(), 2, "each once");
    }

    #[test]
    fn where_there_is_nothing_else_it_is_loopback() {
        assert_eq!(texts(&["0.0.0.0:35800"], &["127.0.0.1", "fe80::7"], false), ["http://127.0.0.1:35800"]);
        assert_eq!(texts(&["[::]:35800"], &[], false), ["http://[::1]:35800"]);
    }

    #[test]
    fn an_address_stands_for_itself() {
        assert_eq!(texts(&["127.0.0.1:80", "[2001:db8::9]:81"], &HERE, false).len(), 2);
        assert_eq!(texts(&["127.0.0.1:80"], &[], false), ["http://127.0.0.1:80"]);
    }

    fn listens(bound: &[(&str, bool)]) -> Listens {
        Listens::new(bound.iter().map(|(text, tls)| (text.parse().unwrap(), *tls)).collect())
    }

    #[test]
    fn what_leads_to_the_listener_is_known() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let wild = listens(&[("0.0.0.0:35800", false)]);
        assert!(wild.is(at("127.0.0.1:35800")).is_some() && wild.is(at("127.9.9.9:35800")).is_some());
        assert!(wild.is(at("127.0.0.1:35801")).is_none() && wild.is(at("[::1]:35800")).is_none());
        let one = listens(&[("127.0.0.1:35800", false)]);
        assert!(one.is(at("[::ffff:127.0.0.1]:35800")).is_some() && one.is(at("127.0.0.2:35800")).is_none());
    }

    #[test]
    fn each_address_speaks_as_it_does() {
        let mixed = listens(&[("0.0.0.0:1", true), ("127.0.0.1:1", false), ("127.0.0.1:2", true)]);
        let is = |text: &str| mixed.is(text.parse().unwrap());
        assert_eq!([is("127.0.0.1:1"), is("127.0.0.2:1"), is("127.0.0.1:2")], [Some(false), Some(true), Some(true)]);
        let doors = [("127.0.0.1:1", true), ("127.0.0.1:1", false), ("127.0.0.1:2", true)];
        assert_eq!(mixed.doors(), doors.map(|(text, tls)| (text.parse().unwrap(), tls)));
        let points =
            entry_points(&[("192.0.2.7:1".parse().unwrap(), true), ("192.0.2.7:2".parse().unwrap(), false)], &[]);
        let points: Vec<String> = points.iter().map(ToString::to_string).collect();
        assert_eq!(points, ["https://192.0.2.7:1", "http://192.0.2.7:2"]);
    }
}
