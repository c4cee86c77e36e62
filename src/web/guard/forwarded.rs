//! Who asks through a proxy. A proxy tells it by a header, and so can everybody: it is believed only
//! of those that are named.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, header};

/// Proxies that are believed; none by default.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<Trusted>);

/// A proxy, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// Addresses whose first bits are these.
    Network(IpAddr, u8),
    /// Whoever comes through the Unix socket.
    Socket,
}

impl FromStr for Trusted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Socket);
        }
        let wrong = || "expected such as `10.0.0.2`, `10.0.0.0/24` or `unix`".to_owned();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most),
            None => Some(most),
        };
        Ok(Self::Network(address, bits.ok_or_else(wrong)?))
    }
}

impl Trusted {
    fn has(self, other: IpAddr) -> bool {
        match (self, other) {
            (Self::Network(IpAddr::V4(own), bits), IpAddr::V4(other)) => {
                let apart = own.to_bits() ^ other.to_bits();
                u32::from(bits) <= apart.leading_zeros()
            }
            (Self::Network(IpAddr::V6(own), bits), IpAddr::V6(other)) => {
                let apart = own.to_bits() ^ other.to_bits();
                u32::from(bits) <= apart.leading_zeros()
            }
            _ => false,
        }
    }
}

impl Proxies {
    /// These, and no others.
    #[must_use]
    pub fn new(trusted: Vec<Trusted>) -> Self {
        Self(trusted)
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|trusted| trusted.has(address))
    }

    /// Whose request it is that came from `peer`; `None`: through the Unix socket. Of all that hands
    /// it on, the last that isn't a proxy of ours. Who says it in two ways that differ isn't
    /// believed: the proxy writes one header, and lets through what its client writes into the other.
    #[must_use]
    pub(super) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.map(|peer| peer.to_canonical());
        let believed = match peer {
            Some(peer) => self.has(peer),
            None => self.0.contains(&Trusted::Socket),
        };
        if !believed {
            return peer;
        }
        let list = self.last_stranger(&x_forwarded_for(headers));
        let forwarded = self.last_stranger(&forwarded(headers));
        match (list, forwarded) {
            (Some(one), Some(other)) if one == other => Some(one),
            (Some(one), None) | (None, Some(one)) => Some(one),
            _ => peer,
        }
    }

    /// Of those that a request came by, the last that isn't trusted; the first when all are. `None`:
    /// nothing is told, or what is told can't be read.
    fn last_stranger(&self, hops: &[Option<IpAddr>]) -> Option<IpAddr> {
        let mut last = None;
        for hop in hops.iter().rev() {
            let address = (*hop)?;
            last = Some(address);
            if !self.has(address) {
                break;
            }
        }
        last
    }
}

/// `X-Forwarded-For: client, proxy, proxy`, as all proxies write it.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    values(headers, "x-forwarded-for")
        .split(',')
        .map(str::trim)
        .filter(|hop| !hop.is_empty())
        .map(address)
        .collect()
}

/// `Forwarded: for=client;proto=https, for="[2001:db8::1]:443"` (RFC 7239).
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let text = values(headers, header::FORWARDED.as_str());
    let elements = text.split(',').map(str::trim);
    let elements = elements.filter(|element| !element.is_empty());
    let hop = |element: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        address(value.trim().trim_matches('"'))
    };
    elements.map(hop).collect()
}

/// All values of a header as one list.
fn values(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).into_iter();
    // What can't be read is there all the same.
    let values = values.map(|value| value.to_str().unwrap_or("?"));
    values.collect::<Vec<_>>().join(",")
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let address: Result<IpAddr, _> = address.or_else(|_| with_port());
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is trusted, who asks, the headers, and whose request it is.
    fn check(trusted: &str, peer: &str, headers: &[(&'static str, &str)], expected: &str) {
        let words = trusted.split_whitespace();
        let proxies = Proxies::new(words.map(|word| word.parse().unwrap()).collect());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let client = proxies.client(peer.parse().ok(), &map);
        let client = client.map_or_else(|| "unix".to_owned(), |client| client.to_string());
        assert_eq!(client, expected, "{trusted}; {peer}; {headers:?}");
    }

    #[test]
    fn only_named_proxies_are_believed() {
        let list = "x-forwarded-for";
        check("", "10.0.0.2", &[(list, "192.0.2.1")], "10.0.0.2");
        check("10.0.0.3", "10.0.0.2", &[(list, "192.0.2.1")], "10.0.0.2");
        check("10.0.0.2", "10.0.0.2", &[(list, "192.0.2.1")], "192.0.2.1");
        check(
            "10.0.0.0/24",
            "10.0.0.9",
            &[(list, "192.0.2.1")],
            "192.0.2.1",
        );
        check(
            "10.0.0.0/24",
            "10.0.1.9",
            &[(list, "192.0.2.1")],
            "10.0.1.9",
        );
        check("0.0.0.0/0", "10.0.1.9", &[(list, "192.0.2.1")], "192.0.2.1");
        check(
            "fd00::/8",
            "fd12::1",
            &[(list, "2001:db8::1")],
            "2001:db8::1",
        );
        check(
            "10.0.0.2",
            "::ffff:10.0.0.2",
            &[(list, "192.0.2.1")],
            "192.0.2.1",
        );
        check("unix", "unix", &[(list, "192.0.2.1")], "192.0.2.1");
        check("10.0.0.2", "unix", &[(list, "192.0.2.1")], "unix");
        check("10.0.0.2", "10.0.0.2", &[], "10.0.0.2");
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_believed() {
        let list = "x-forwarded-for";
        let own = "10.0.0.2";
        // It wrote the first, the proxy the last.
        check(own, own, &[(list, "198.51.100.7, 192.0.2.1")], "192.0.2.1");
        check(
            own,
            own,
            &[(list, "198.51.100.7"), (list, "192.0.2.1")],
            "192.0.2.1",
        );
        check(own, own, &[(list, "192.0.2.1, 10.0.0.2")], "192.0.2.1");
        check(own, own, &[(list, "10.0.0.2, 10.0.0.2")], "10.0.0.2");
        check(own, own, &[(list, "192.0.2.1, nonsense")], own);
        check(own, own, &[(list, "nonsense, 192.0.2.1")], "192.0.2.1");
        check(own, own, &[(list, "192.0.2.1:4711")], "192.0.2.1");
        check(own, own, &[(list, "[2001:db8::1]:4711")], "2001:db8::1");
        let other = "forwarded";
        check(
            own,
            own,
            &[(other, "for=192.0.2.1;proto=https")],
            "192.0.2.1",
        );
        check(
            own,
            own,
            &[(other, "proto=https; For=\"[2001:db8::1]:4711\"")],
            "2001:db8::1",
        );
        check(
            own,
            own,
            &[(other, "for=198.51.100.7, for=192.0.2.1")],
            "192.0.2.1",
        );
        check(own, own, &[(other, "for=unknown")], own);
        check(
            own,
            own,
            &[(other, "for=_hidden, for=192.0.2.1")],
            "192.0.2.1",
        );
        // The proxy writes one of them.
        check(
            own,
            own,
            &[(list, "192.0.2.1"), (other, "for=198.51.100.7")],
            own,
        );
        check(
            own,
            own,
            &[(list, "192.0.2.1"), (other, "for=192.0.2.1")],
            "192.0.2.1",
        );
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        for wrong in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert!(wrong.parse::<Trusted>().is_err(), "{wrong}");
        }
    }
}
