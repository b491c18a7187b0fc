//! What may be connected to.
//!
//! A job, a proxied request or a redirect names the address; this daemon, which sees more of the network than the one who
//! names it, connects. So no address that only means something to this host or its cloud is reached on anybody's behalf.
//! An IPv6 address that stands for an IPv4 one is judged as both.

use super::{OriginError, Settings};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the list of this host's addresses is believed.
const ADDRESSES_FOR: Duration = Duration::from_secs(5);

/// Services that tell a cloud's machines their secrets, where they are not at link-local addresses: of Amazon, Google and
/// Alibaba, from their manuals.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// The rules. Clones are the same.
#[derive(Clone)]
pub(super) struct Reach(Arc<Rules>);

struct Rules {
    allow_loopback: bool,
    own: Vec<SocketAddr>,
    /// This host's addresses, and when they were asked for.
    here: Mutex<Option<(Instant, Arc<[IpAddr]>)>>,
}

impl Reach {
    pub(super) fn new(settings: &Settings) -> Reach {
        Reach(Arc::new(Rules {
            allow_loopback: settings.allow_loopback,
            own: settings.own.clone(),
            here: Mutex::default(),
        }))
    }

    /// Whether this address may be connected to; `name` is how it was named.
    pub(super) fn check(&self, name: &str, address: SocketAddr) -> Result<(), OriginError> {
        let refused = |what: &str| {
            let ip = address.ip();
            let named =
                if name.trim_matches(['[', ']']) == ip.to_string() { String::new() } else { format!(" ({ip})") };
            Err(OriginError::Forbidden(format!("{name}{named} must not be connected to: it is {what}")))
        };
        for ip in spellings(address.ip()) {
            if let Some(what) = never(ip) {
                return refused(what);
            }
            if self.is_own(SocketAddr::new(ip, address.port())) {
                return refused("an address that this daemon listens on");
            }
            if ip.is_loopback() && !self.0.allow_loopback {
                return refused("a loopback address (cache.allow_loopback)");
            }
        }
        Ok(())
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        self.0.own.iter().filter(|own| own.port() == address.port()).any(|own| {
            let own = own.ip().to_canonical();
            own == address.ip() || own.is_unspecified() && self.is_here(address.ip())
        })
    }

    /// Whether this host has the address. Where the kernel does not say, it might.
    fn is_here(&self, ip: IpAddr) -> bool {
        if ip.is_loopback() {
            return true;
        }
        let mut here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
        let known = here.as_ref().filter(|(asked, _)| asked.elapsed() < ADDRESSES_FOR).map(|(_, ips)| ips.clone());
        let Some(ips) = known.or_else(addresses) else { return true };
        if here.as_ref().is_none_or(|(asked, _)| asked.elapsed() >= ADDRESSES_FOR) {
            *here = Some((Instant::now(), ips.clone()));
        }
        ips.contains(&ip)
    }
}

/// All addresses of all interfaces.
fn addresses() -> Option<Arc<[IpAddr]>> {
    let interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let ip = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Some(interfaces.filter_map(ip).collect())
}

/// What an address is that nobody is connected to, whatever is configured.
fn never(ip: IpAddr) -> Option<&'static str> {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    // All of 0.0.0.0/8 is this host.
    let unspecified = matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 0) || ip.is_unspecified();
    if link_local {
        Some("a link-local address")
    } else if METADATA.contains(&ip) {
        Some("where a cloud keeps its machines' secrets")
    } else if unspecified {
        Some("no address of a host")
    } else if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("an address of many hosts")
    } else {
        None
    }
}

/// The address, and those IPv4 ones that it stands for.
fn spellings(ip: IpAddr) -> Vec<IpAddr> {
    let mut found = vec![ip];
    let IpAddr::V6(v6) = ip else { return found };
    let parts = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    let last = v4(parts[6], parts[7]);
    match parts {
        // ::1 and :: are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => {}
        // Compatible (RFC 4291), mapped (the same), translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0, 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => found.push(last),
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => found.push(last),
        // NAT64 with a prefix of one's own (RFC 8215): the IPv4 address follows a prefix of 48, 56, 64 or 96 bits, and
        // bits 64 to 71 are nothing (RFC 6052, section 2.2).
        [0x64, 0xff9b, 1, ..] => {
            let bytes = v6.octets();
            let at = |places: [usize; 4]| IpAddr::V4(Ipv4Addr::from(places.map(|place| bytes[place])));
            let read = [last, at([6, 7, 9, 10]), at([7, 9, 10, 11]), at([9, 10, 11, 12])];
            // Three of these are wrong readings, mostly of zeros, which nobody is reached by.
            found.extend(read.into_iter().filter(|ip| !matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 0)));
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => found.push(v4(high, low)),
        // Teredo (RFC 4380): the client's address is turned over.
        [0x2001, 0, ..] => found.push(v4(!parts[6], !parts[7])),
        _ => {}
    }
    // An interface identifier made of an IPv4 address (RFC 5214).
    if matches!(parts[4..6], [0 | 0x200, 0x5efe]) {
        found.push(last);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allow_loopback: bool, own: &[&str]) -> Reach {
        let own = own.iter().map(|text| text.parse().unwrap()).collect();
        Reach::new(&Settings {
            allow_loopback,
            own,
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            registries: Vec::new(),
        })
    }

    #[track_caller]
    fn check(reach: &Reach, addresses: &[&str], expected: bool) {
        for text in addresses {
            let ip: IpAddr = text.parse().unwrap();
            let verdict = reach.check("name", SocketAddr::new(ip, 80));
            assert_eq!(verdict.is_ok(), expected, "{text}: {verdict:?}");
        }
    }

    /// As many spellings of an IPv4 address as there are prefixes for it.
    fn spelt(v4: [u8; 4]) -> Vec<String> {
        let [a, b, c, d] = v4;
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        vec![
            format!("{a}.{b}.{c}.{d}"),
            format!("::ffff:{a}.{b}.{c}.{d}"),
            format!("::{high:x}:{low:x}"),
            format!("::ffff:0:{high:x}:{low:x}"),
            format!("64:ff9b::{high:x}:{low:x}"),
            format!("64:ff9b:1::{high:x}:{low:x}"),
            format!("64:ff9b:1:{high:x}:{c:x}:{d:02x}00::"),
            format!("64:ff9b:1:ff{a:02x}:{b:x}:{c:x}{d:02x}::"),
            format!("64:ff9b:1:ffff:{a:x}:{b:02x}{c:02x}:{d:02x}00:0"),
            format!("2002:{high:x}:{low:x}::1"),
            format!("2001:0:1:2:3:4:{:x}:{:x}", !high, !low),
            format!("2a00::5efe:{high:x}:{low:x}"),
        ]
    }

    #[test]
    fn some_addresses_are_never_reached() {
        let all = reach(true, &[]);
        check(&all, &["169.254.169.254", "fe80::1", "febf::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1"], false);
        check(&all, &["ff02::1", "255.255.255.255", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"], false);
        for text in spelt([169, 254, 169, 254]).iter().chain(&spelt([255, 255, 255, 255])) {
            check(&all, &[text], false);
        }
    }

    #[test]
    fn private_and_public_addresses_are_reached() {
        let fine =
            ["10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fc00::1", "fd12::1", "93.184.216.34", "2a00::1"];
        check(&reach(false, &[]), &fine, true);
        for text in spelt([10, 0, 0, 1]) {
            check(&reach(false, &[]), &[&text], true);
        }
    }

    #[test]
    fn loopback_is_reached_where_it_is_allowed() {
        let loopback = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"];
        check(&reach(true, &[]), &loopback, true);
        check(&reach(false, &[]), &loopback, false);
    }

    #[test]
    fn what_the_daemon_listens_on_is_never_reached() {
        let own = reach(true, &["127.0.0.1:80", "[::1]:80", "192.0.2.1:80", "127.0.0.1:81"]);
        check(&own, &["127.0.0.1", "::1", "192.0.2.1", "::ffff:127.0.0.1", "64:ff9b::c000:201"], false);
        check(&own, &["127.0.0.2", "192.0.2.2"], true);
        let other_port = reach(true, &["127.0.0.1:81", "0.0.0.0:81"]);
        check(&other_port, &["127.0.0.1", "127.0.0.2"], true);
    }

    #[test]
    fn listening_everywhere_means_every_address_of_this_host() {
        for own in ["0.0.0.0:80", "[::]:80"] {
            let own = reach(true, &[own]);
            check(&own, &["127.0.0.1", "127.3.2.1", "::1"], false);
            check(&own, &["192.0.2.7", "2a00::1"], true);
            for ip in addresses().expect("interfaces").iter() {
                check(&own, &[&ip.to_string()], false);
            }
        }
    }

    #[test]
    fn refusals_say_what_was_asked_for() {
        let error = reach(false, &[]).check("box.test", "127.0.0.1:80".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("box.test (127.0.0.1)"), "{error}");
        let error = reach(false, &[]).check("[fe80::1]", "[fe80::1]:80".parse().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("[fe80::1] must not"), "{error}");
    }
}
