//! Which addresses belong to the internet at large. Everything else may be ours, or the cloud's.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether anyone on the internet may be at `address`: neither this machine, nor a private network, nor
/// an address that stands for one of those.
///
/// IPv4: what the IANA registry of special-purpose addresses (RFC 6890) does not have, and no multicast.
/// IPv6: global unicast (`2000::/3`, RFC 4291, section 2.5.4) without its special-purpose blocks and
/// without 6to4 and Teredo, which carry an IPv4 address; so that mapped, compatible, translated,
/// unique-local, link-local and multicast addresses are all none.
pub const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

#[allow(clippy::unnested_or_patterns, reason = "a block a line")]
const fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..]                   // this network, private, loopback
            | [100, 64..=127, ..]            // carrier-grade NAT
            | [169, 254, ..]                 // link-local: the cloud's metadata
            | [172, 16..=31, ..]             // private
            | [192, 0, 0 | 2, _]             // protocol assignments, documentation
            | [192, 31, 196, _]              // AS112
            | [192, 52, 193, _]              // AMT
            | [192, 88, 99, _]               // 6to4 relays
            | [192, 168, ..]                 // private
            | [192, 175, 48, _]              // AS112
            | [198, 18 | 19, ..]             // benchmarks
            | [198, 51, 100, _]              // documentation
            | [203, 0, 113, _]               // documentation
            | [224..=255, ..] // multicast, reserved, broadcast
    )
}

#[allow(clippy::unnested_or_patterns, reason = "a block a line")]
const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x01ff, ..]             // protocol assignments, Teredo and ORCHID among them
        | [0x2001, 0x0db8, ..]               // documentation
        | [0x2002, ..]                       // 6to4
        | [0x2620, 0x004f, 0x8000, ..]       // AS112
        | [0x3fff, 0..=0x0fff, ..] => false, // documentation
        [first, ..] => first >= 0x2000 && first <= 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn first_and_last_of_each_block_are_refused_and_their_neighbours_are_not() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("::", "::ffff:ffff"),
            ("::ffff:0:0", "::ffff:ffff:ffff"),
            ("64:ff9b::", "64:ff9b::ffff:ffff"),
            ("64:ff9b:1::", "64:ff9b:1:ffff::"),
            ("100::", "100::ffff"),
            ("2001::", "2001:1ff:ffff::"),
            ("2001:db8::", "2001:db8:ffff::"),
            ("2002::", "2002:ffff::"),
            ("3fff::", "3fff:fff::"),
            ("fc00::", "fdff:ffff::"),
            ("fe80::", "febf:ffff::"),
            ("fec0::", "feff::"),
            ("ff00::", "ffff:ffff::"),
        ] {
            assert!(!public(first), "{first}");
            assert!(!public(last), "{last}");
        }
        for neighbour in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "3ffe:ffff::",
        ] {
            assert!(public(neighbour), "{neighbour}");
        }
        for special in [
            "::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::8.8.8.8",
            "4000::",
        ] {
            assert!(!public(special), "{special}");
        }
    }

    proptest! {
        /// The standard library knows some of them as well: none of those passes.
        #[test]
        fn what_the_standard_library_knows_to_be_special_is_refused(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(special && is_public(address.into())));
            // Whatever it is, in IPv6 clothes it is none.
            prop_assert!(!is_public(address.to_ipv6_mapped().into()));
            prop_assert!(!is_public(address.to_ipv6_compatible().into()));
        }

        #[test]
        fn of_ipv6_only_global_unicast_passes(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            let special = address.is_loopback() || address.is_unspecified() || address.is_multicast()
                || address.is_unique_local() || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some();
            prop_assert!(!(special && is_public(address.into())));
            if is_public(address.into()) {
                prop_assert_eq!(bits >> 125, 1);
            }
        }
    }
}
