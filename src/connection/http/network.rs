//! Addresses that requests must not go to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use schemars::{Schema, json_schema};

use crate::document::{FromNode, Node, Report, read_unit};

/// A range of addresses: `10.0.0.0/8`, `fe80::/10`, a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network {
    /// IPv4 as mapped into IPv6: one kind of address to compare.
    address: u128,
    /// Of 128 bits.
    prefix: u32,
}

impl Network {
    const fn v4(octets: [u8; 4], prefix: u32) -> Self {
        Self {
            address: 0xffff_0000_0000 | u32::from_be_bytes(octets) as u128,
            prefix: prefix + 96,
        }
    }

    const fn v6(segments: [u16; 8], prefix: u32) -> Self {
        let mut address = 0;
        let mut place = 0;
        while place < segments.len() {
            address = address << 16 | segments[place] as u128;
            place += 1;
        }
        Self { address, prefix }
    }

    fn contains(self, address: IpAddr) -> bool {
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
        (bits ^ self.address) & mask == 0
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        match address.parse().ok()? {
            IpAddr::V4(address) => prefix
                .is_none_or(|prefix| prefix <= 32)
                .then(|| Self::v4(address.octets(), prefix.unwrap_or(32))),
            IpAddr::V6(address) => prefix
                .is_none_or(|prefix| prefix <= 128)
                .then(|| Self::v6(address.segments(), prefix.unwrap_or(128))),
        }
    }
}

/// Where a machine's own link and the metadata services of clouds are, which give credentials to
/// whoever asks.
const LINK_AND_METADATA: &[Network] = &[
    Network::v4([169, 254, 0, 0], 16),
    Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // Amazon: metadata, time and DNS of an instance.
    Network::v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    // Google.
    Network::v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32),
    // Alibaba.
    Network::v4([100, 100, 100, 200], 32),
    // Oracle.
    Network::v4([192, 0, 0, 192], 32),
    // Azure.
    Network::v4([168, 63, 129, 16], 32),
];

const LOOPBACK: &[Network] = &[
    Network::v4([127, 0, 0, 0], 8),
    Network::v4([0, 0, 0, 0], 8),
    Network::v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    Network::v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
];

/// RFC 1918, RFC 6598, RFC 4193.
const PRIVATE: &[Network] = &[
    Network::v4([10, 0, 0, 0], 8),
    Network::v4([172, 16, 0, 0], 12),
    Network::v4([192, 168, 0, 0], 16),
    Network::v4([100, 64, 0, 0], 10),
    Network::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
];

/// `private`, `loopback` or a network, as `refuse:` takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub(super) Vec<Network>);

impl FromNode for Refusal {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let what = "`private`, `loopback` or a network such as `10.0.0.0/8`";
        let parse = |text: &str| match text {
            "private" => Ok(PRIVATE.to_vec()),
            "loopback" => Ok(LOOPBACK.to_vec()),
            network => Network::parse(network)
                .map(|network| vec![network])
                .ok_or_else(|| format!("`{network}` is no network")),
        };
        read_unit(node, report, what, parse).map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["private", "loopback", "10.0.0.0/8"] })
    }
}

/// What may not be reached by a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Guard {
    /// The machine's own link and metadata services.
    pub(super) checked: bool,
    pub(super) networks: Arc<[Network]>,
    /// Proxies are reached wherever they are: they were configured.
    pub(super) proxies: Arc<[String]>,
}

impl Guard {
    /// Whether it refuses anything.
    pub(super) fn is_needed(&self) -> bool {
        self.checked || !self.networks.is_empty()
    }

    /// Checks a URL whose host is an address.
    ///
    /// # Errors
    /// It is refused; why.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), Refused> {
        // In brackets for IPv6. The library has read odd spellings (`0x7f.1`) as addresses.
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse() {
            Ok(address) => self.check(host, address),
            Err(_) => Ok(()),
        }
    }

    /// Looks the host up, for requests that a proxy sends on: the best that can be done, since the
    /// proxy looks it up again. A name that only the proxy knows is let through.
    ///
    /// # Errors
    /// It is refused; why.
    pub(super) async fn check_name(&self, url: &Url) -> Result<(), Refused> {
        let host = url.host_str().unwrap_or_default();
        let Ok(addresses) = tokio::net::lookup_host((host, 0)).await else {
            return Ok(());
        };
        for address in addresses {
            self.check(host, address.ip())?;
        }
        Ok(())
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let refused = |reason| Refused {
            host: host.to_owned(),
            address,
            reason,
        };
        let forms = || std::iter::once(address).chain(embedded(address).map(IpAddr::V4));
        let within = |networks: &[Network]| {
            forms().any(|form| networks.iter().any(|network| network.contains(form)))
        };
        if self.checked && within(LINK_AND_METADATA) {
            return Err(refused(
                "link-local and metadata addresses are refused where the URL comes from outside",
            ));
        }
        if within(&self.networks) {
            return Err(refused("the connection refuses it"));
        }
        Ok(())
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 or 6to4.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, .., high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

/// An address that is refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{host}` is {address}: {reason}")]
pub(super) struct Refused {
    host: String,
    address: IpAddr,
    reason: &'static str,
}

/// Looks names up, and refuses those that lead where the guard says no. What is checked is what is
/// connected to: a second answer of the name server can't change it.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            if addresses.is_empty() {
                return Err(io::Error::other(format!("`{host}` has no address")).into());
            }
            if !guard.proxies.iter().any(|proxy| proxy == host) {
                for address in &addresses {
                    guard.check(host, address.ip())?;
                }
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(checked: bool, networks: &[&str]) -> Guard {
        let networks: Vec<Network> = networks.iter().filter_map(|n| Network::parse(n)).collect();
        Guard {
            checked,
            networks: networks.into(),
            ..Guard::default()
        }
    }

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_spelling() {
        let guard = guard(true, &[]);
        for (host, refused) in [
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("0xa9fea9fe", true),
            ("2852039166", true),
            ("0251.0376.0251.0376", true),
            ("169.254.43518", true),
            ("[::ffff:169.254.169.254]", true),
            ("[::169.254.169.254]", true),
            ("[64:ff9b::a9fe:a9fe]", true),
            ("[2002:a9fe:a9fe::1]", true),
            ("[fe80::1]", true),
            ("[febf::1]", true),
            ("[fd00:ec2::254]", true),
            ("[fd20:ce::254]", true),
            ("100.100.100.200", true),
            ("192.0.0.192", true),
            ("168.63.129.16", true),
            ("169.253.1.1", false),
            ("100.100.100.201", false),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("[fec0::1]", false),
            ("[::1]", false),
            ("example.com", false),
        ] {
            let url = Url::parse(&format!("http://{host}/latest")).unwrap();
            assert_eq!(guard.check_literal(&url).is_err(), refused, "{host}");
        }
    }

    #[test]
    fn networks_are_refused_where_the_connection_says_so() {
        let guard = guard(false, &["10.0.0.0/8", "fd00::/8", "192.0.2.7", "::/0"]);
        assert!(guard.is_needed());
        for (address, refused) in [("10.9.9.9", true), ("fd12::1", true), ("192.0.2.7", true)] {
            let address = address.parse().unwrap();
            assert_eq!(guard.check("host", address).is_err(), refused, "{address}");
        }
        for text in ["10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/x", "host", ""] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        let narrow = self::guard(false, &["0.0.0.0/0"]);
        assert!(narrow.check("host", "9.9.9.9".parse().unwrap()).is_err());
        assert!(narrow.check("host", "2001:db8::1".parse().unwrap()).is_ok());
    }

    #[tokio::test]
    async fn names_are_checked_by_what_they_lead_to() {
        let guard = guard(false, &["127.0.0.0/8", "::1"]);
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = guard.resolve(name()).await.err().expect("refused");
        assert!(refused.to_string().contains("`localhost` is "), "{refused}");
        let url = Url::parse("http://localhost/").unwrap();
        assert!(guard.check_name(&url).await.is_err());
        let proxy = Guard {
            proxies: Arc::new(["localhost".to_owned()]),
            ..guard
        };
        assert!(proxy.resolve(name()).await.is_ok());
        assert!(Guard::default().resolve(name()).await.is_ok());
    }
}
