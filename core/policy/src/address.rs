//! Addresses of clients: which are denied, and how often one may come.

use crate::gcra::{Rule, Verdict};
use core::net::{IpAddr, Ipv6Addr};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;

/// Addresses that are remembered at most. Beyond, those at rest are forgotten first, then all: for a
/// moment the limit is milder.
pub const REMEMBERED_MAX: usize = 10_000;

/// A range of addresses, `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u32,
}

/// A text that is no range, or has bits behind its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address, or a range like 192.0.2.0/24 without further bits")]
pub struct CidrError;

impl core::str::FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| CidrError)?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) => bits.parse::<u32>().map_err(|_| CidrError)?,
        };
        let cidr = Self { network, bits };
        let fits = bits <= width && cidr.masked(network) == Some(network);
        fits.then_some(cidr).ok_or(CidrError)
    }
}

impl core::fmt::Display for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Cidr {
    /// Whether an address is in the range. An IPv4 address that is written as one of IPv6 is the same
    /// address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.masked(address) == Some(self.network)
    }

    fn masked(&self, address: IpAddr) -> Option<IpAddr> {
        match (self.network, address) {
            (IpAddr::V4(_), IpAddr::V4(own)) => {
                let mask = u32::MAX
                    .checked_shl(32_u32.checked_sub(self.bits)?)
                    .unwrap_or(0);
                Some(IpAddr::V4((own.to_bits() & mask).into()))
            }
            (IpAddr::V6(_), IpAddr::V6(own)) => {
                let mask = u128::MAX
                    .checked_shl(128_u32.checked_sub(self.bits)?)
                    .unwrap_or(0);
                Some(IpAddr::V6((own.to_bits() & mask).into()))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

/// How often each address came to this host's memory. Another isolate has another memory: this is
/// against floods, and not an account.
#[derive(Debug, Default)]
pub struct AddressLimiter {
    tat_us_of: BTreeMap<IpAddr, u64>,
}

impl AddressLimiter {
    /// One that remembers nobody.
    pub const fn new() -> Self {
        Self {
            tat_us_of: BTreeMap::new(),
        }
    }

    /// Decides about a request of an address. One network of IPv6 is one client: it has 2^64 addresses.
    pub fn check(&mut self, rule: Rule, address: IpAddr, now_us: u64) -> Verdict {
        let client = match address.to_canonical() {
            IpAddr::V6(own) => IpAddr::V6(Ipv6Addr::from_bits(
                own.to_bits() & (u128::MAX.wrapping_shl(64)),
            )),
            v4 @ IpAddr::V4(_) => v4,
        };
        let verdict = rule.check(self.tat_us_of.get(&client).copied(), now_us, 1);
        if self.tat_us_of.len() >= REMEMBERED_MAX && !self.tat_us_of.contains_key(&client) {
            self.tat_us_of.retain(|_, tat_us| *tat_us > now_us);
            if self.tat_us_of.len() >= REMEMBERED_MAX {
                self.tat_us_of.clear();
            }
        }
        self.tat_us_of.insert(client, verdict.tat_us);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_is_in_them() {
        for (range, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            let range: Cidr = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(
                !range.contains(outside.parse().unwrap()),
                "{range} {outside}"
            );
            assert_eq!(range.to_string().parse(), Ok(range));
        }
        for bad in [
            "",
            "a",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "2001:db8::1/32",
            "192.0.2.0/-1",
            "1.2.3",
        ] {
            assert_eq!(bad.parse::<Cidr>(), Err(CidrError), "{bad}");
        }
    }

    #[test]
    fn addresses_are_limited_one_by_one_and_networks_of_ipv6_as_one() {
        let rule = Rule::new(1_000_000, 2).unwrap();
        let mut limiter = AddressLimiter::default();
        let mut may = |address: &str, now_us| {
            let address = address.parse().unwrap();
            limiter.check(rule, address, now_us).allowed
        };
        assert!(may("192.0.2.1", 0) && may("::ffff:192.0.2.1", 0) && !may("192.0.2.1", 0));
        assert!(may("192.0.2.2", 0));
        assert!(may("2001:db8::1", 0) && may("2001:db8::2", 0) && !may("2001:db8::3", 0));
        assert!(may("2001:db8:0:1::1", 0));
        assert!(may("192.0.2.1", 1_000_000) && !may("192.0.2.1", 1_000_000));
    }

    #[test]
    fn memory_is_bounded() {
        let rule = Rule::new(1_000_000, 2).unwrap();
        let mut limiter = AddressLimiter::default();
        for number in 0..30_000_u32 {
            limiter.check(rule, IpAddr::V4(number.into()), 5);
            assert!(limiter.tat_us_of.len() <= REMEMBERED_MAX);
        }
    }
}
