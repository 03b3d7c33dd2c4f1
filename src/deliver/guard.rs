//! Which addresses deliveries may go to: nobody who can set a webhook's URL may reach into the network behind us.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

use super::Guard;

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    address: SocketAddr,
    rule: &'static str,
    /// Whether `--allow-delivery-to` opens it.
    opens: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, rule) = (self.address.ip().to_canonical(), self.rule);
        write!(f, "the address guard refused {}: {rule}; ", self.address)?;
        if self.opens {
            write!(f, "if the receiver may be there, start with --allow-delivery-to {}", IpNet::from(ip))
        } else {
            f.write_str("no setting allows it")
        }
    }
}

impl std::error::Error for Refusal {}

impl Guard {
    /// Those of `addresses` that may be connected to; where there is none, why the first was refused (or `None` if there
    /// was no address at all).
    pub(super) fn vet(&self, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, Option<Refusal>> {
        let checked: Vec<_> = addresses.iter().map(|&address| self.check(address).map(|()| address)).collect();
        let good: Vec<_> = checked.iter().filter_map(|result| result.as_ref().ok().copied()).collect();
        if good.is_empty() {
            return Err(checked.into_iter().find_map(Result::err));
        }
        Ok(good)
    }

    /// Whether `address` may be connected to.
    pub(super) fn check(&self, address: SocketAddr) -> Result<(), Refusal> {
        let refuse = |rule, opens| Err(Refusal { address, rule, opens });
        let ip = address.ip().to_canonical();
        // What an address of IPv6 stands for in IPv4 is judged like the address itself.
        let seen = embedded(ip).map_or(ip, IpAddr::V4);
        // Where it may lead is enough for what no setting allows.
        for end in [ip, seen].into_iter().chain(tunnelled(ip)) {
            if self.is_ours(SocketAddr::new(end, address.port())) {
                return refuse("it is a listener of our own or the shop itself", false);
            }
            if let Some(rule) = first_in(NEVER, end) {
                return refuse(rule, false);
            }
        }
        if self.allowed.iter().any(|net| net.contains(&ip) || net.contains(&seen)) {
            return Ok(());
        }
        let translated = matches!(ip, IpAddr::V6(_)) && seen != ip;
        match first_in(CLOSED, seen).or_else(|| if translated { None } else { first_in(CLOSED, ip) }) {
            Some(rule) => refuse(rule, true),
            None => Ok(()),
        }
    }

    fn is_ours(&self, address: SocketAddr) -> bool {
        self.ours.iter().any(|ours| {
            let ip = ours.ip().to_canonical();
            ours.port() == address.port()
                && (ip == address.ip() || ip.is_unspecified() && is_this_machine(address.ip()))
        })
    }
}

/// Whether `ip` is an address of this machine: only such an address can be bound.
fn is_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The IPv4 address behind NAT64's well-known prefix 64:ff9b::/96 (RFC 6052).
fn embedded(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = ip else { return None };
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() else { return None };
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    Some(Ipv4Addr::new(a, b, c, d))
}

/// The IPv4 addresses an address may lead to by ways that are closed unless a setting opens them: a NAT64 of one's own
/// (64:ff9b:1::/48, RFC 8215, in its last 32 bits), 6to4 (2002::/16, RFC 3056), Teredo (2001::/32, RFC 4380, inverted), and
/// the compatible addresses of old (::/96, RFC 4291).
fn tunnelled(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = ip else { return None };
    let (high, low) = match v6.segments() {
        [0x64, 0xff9b, 1, _, _, _, high, low] | [0, 0, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        _ => return None,
    };
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    Some(v4(a, b, c, d)).filter(|_| !matches!(ip, IpAddr::V6(Ipv6Addr::LOCALHOST)))
}

fn first_in(ranges: &[(IpAddr, u8, &'static str)], ip: IpAddr) -> Option<&'static str> {
    let holds = |net: IpAddr, bits| IpNet::new(net, bits).is_ok_and(|net| net.contains(&ip));
    ranges.iter().find(|(net, bits, _)| holds(*net, *bits)).map(|(_, _, rule)| *rule)
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, h: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, h))
}

const METADATA: &str = "it is a metadata address of cloud machines";

/// Never allowed: nothing there is a receiver, and what is there hands out credentials.
const NEVER: &[(IpAddr, u8, &str)] = &[
    (v4(169, 254, 0, 0), 16, "169.254.0.0/16 is link-local and holds the metadata of cloud machines"),
    (v4(100, 100, 100, 200), 32, METADATA),
    (v4(168, 63, 129, 16), 32, METADATA),
    (v4(192, 0, 0, 192), 32, METADATA),
    (v6(0xfd00, 0xec2, 0, 0x254), 128, METADATA),
    (v6(0xfd20, 0xce, 0, 0x254), 128, METADATA),
    (v6(0xfe80, 0, 0, 0), 10, "fe80::/10 is link-local"),
    (v4(0, 0, 0, 0), 8, "0.0.0.0/8 is no destination"),
    (v6(0, 0, 0, 0), 128, ":: is no destination"),
    (v4(224, 0, 0, 0), 4, "224.0.0.0/4 is multicast"),
    (v6(0xff00, 0, 0, 0), 8, "ff00::/8 is multicast"),
    (v4(255, 255, 255, 255), 32, "255.255.255.255 is the broadcast address"),
];

/// Closed unless `--allow-delivery-to` opens them: not the public Internet (IANA's special-purpose registries).
const CLOSED: &[(IpAddr, u8, &str)] = &[
    (v4(127, 0, 0, 0), 8, "127.0.0.0/8 is this machine (loopback)"),
    (v6(0, 0, 0, 1), 128, "::1 is this machine (loopback)"),
    (v4(10, 0, 0, 0), 8, "10.0.0.0/8 is a private network"),
    (v4(172, 16, 0, 0), 12, "172.16.0.0/12 is a private network"),
    (v4(192, 168, 0, 0), 16, "192.168.0.0/16 is a private network"),
    (v4(100, 64, 0, 0), 10, "100.64.0.0/10 is shared by a provider's customers"),
    (v6(0xfc00, 0, 0, 0), 7, "fc00::/7 is a private network"),
    (v4(192, 0, 0, 0), 24, "192.0.0.0/24 is for protocols"),
    (v4(192, 88, 99, 0), 24, "192.88.99.0/24 leads through 6to4 relays"),
    (v4(198, 18, 0, 0), 15, "198.18.0.0/15 is for benchmarks"),
    (v4(192, 0, 2, 0), 24, "192.0.2.0/24 is for documentation"),
    (v4(198, 51, 100, 0), 24, "198.51.100.0/24 is for documentation"),
    (v4(203, 0, 113, 0), 24, "203.0.113.0/24 is for documentation"),
    (v4(240, 0, 0, 0), 4, "240.0.0.0/4 is reserved"),
    (v6(0x64, 0xff9b, 1, 0), 48, "64:ff9b:1::/48 leads into a private IPv4 network"),
    (v6(0, 0, 0, 0), 8, "::/8 is reserved"),
    (v6(0x2002, 0, 0, 0), 16, "2002::/16 leads through 6to4 relays"),
    (v6(0x2001, 0, 0, 0), 23, "2001::/23 is for protocols"),
    (v6(0x2001, 0xdb8, 0, 0), 32, "2001:db8::/32 is for documentation"),
    (v6(0x3fff, 0, 0, 0), 20, "3fff::/20 is for documentation"),
    (v6(0x100, 0, 0, 0), 64, "100::/64 is discarded"),
    (v6(0x5f00, 0, 0, 0), 16, "5f00::/16 is for segment routing"),
    (v6(0xfec0, 0, 0, 0), 10, "fec0::/10 is a private network"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str]) -> Guard {
        Guard { allowed: allowed.iter().map(|net| net.parse().unwrap()).collect(), ours: Vec::new() }
    }

    fn at(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 443)
    }

    #[test]
    fn only_the_public_internet_is_open() {
        let open =
            ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"];
        for ip in open {
            assert_eq!(guard(&[]).check(at(ip)), Ok(()), "{ip}");
        }
        let closed =
            "127.0.0.1 127.9.9.9 10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 192.0.0.8 192.88.99.1
            198.19.0.1 192.0.2.1 198.51.100.1 203.0.113.1 250.0.0.1 ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
            64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 2002:7f00:1:: 2001::1 2001:db8::1 3fff::1 100::1 5f00::1 fec0::1
            fc00::1 fd12::1 0.0.0.0 0.1.2.3 169.254.169.254 100.100.100.200 168.63.129.16 224.0.0.1 255.255.255.255 ::
            fe80::1 fd00:ec2::254 ff02::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe";
        for ip in closed.split_whitespace() {
            assert!(guard(&[]).check(at(ip)).is_err(), "{ip}");
        }
    }

    #[test]
    fn a_network_is_opened_by_name_and_metadata_never() {
        let all = guard(&["0.0.0.0/0", "::/0"]);
        for ip in ["127.0.0.1", "::1", "10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd12::1", "240.0.0.1"] {
            assert_eq!(all.check(at(ip)), Ok(()), "{ip}");
        }
        for ip in
            "169.254.169.254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe:: ::169.254.169.254
            2001:0:1:2:3:4:5601:5601 fd00:ec2::254 192.0.0.192 0.0.0.0 ff02::1"
                .split_whitespace()
        {
            assert!(all.check(at(ip)).is_err(), "{ip}");
        }
        let some = guard(&["10.1.0.0/16"]);
        assert_eq!(some.check(at("::ffff:10.1.2.3")), Ok(()));
        let text = some.check(at("10.2.0.1")).unwrap_err().to_string();
        assert_eq!(
            text,
            "the address guard refused 10.2.0.1:443: 10.0.0.0/8 is a private network; \
             if the receiver may be there, start with --allow-delivery-to 10.2.0.1/32"
        );
    }

    #[test]
    fn our_own_listeners_and_the_shop_are_never_allowed() {
        let mut guard = guard(&["127.0.0.0/8", "::1/128"]);
        guard.ours = vec!["127.0.0.1:8000".parse().unwrap(), "0.0.0.0:8080".parse().unwrap()];
        let rows = [
            ("127.0.0.1:8000", false),
            ("[::ffff:127.0.0.1]:8000", false),
            ("127.0.0.1:8080", false),
            ("127.7.7.7:8080", false),
            ("[64:ff9b::7f00:1]:8000", false),
            ("[2002:7f00:1::]:8000", false),
            ("[::1]:8080", false),
            ("127.0.0.1:9000", true),
            ("127.0.0.2:8000", true),
        ];
        for (address, open) in rows {
            assert_eq!(guard.check(address.parse().unwrap()).is_ok(), open, "{address}");
        }
    }

    #[test]
    fn every_resolved_address_is_looked_at() {
        let mixed = [at("10.0.0.1"), at("8.8.8.8"), at("127.0.0.1")];
        assert_eq!(guard(&[]).vet(&mixed), Ok(vec![at("8.8.8.8")]));
        assert!(matches!(guard(&[]).vet(&[at("10.0.0.1")]), Err(Some(_))));
        assert_eq!(guard(&[]).vet(&[]), Err(None));
    }
}
