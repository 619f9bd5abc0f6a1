//! Sets of addresses, kept as prefixes for the kernel's longest-prefix-match trie.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// Number of bits in the mapped form `::ffff:a.b.c.d` before the IPv4 address.
const MAPPED_BITS: u8 = 96;

/// A key of the kernel's trie: one byte for the family, 4 or 6, then 16 bytes of address, with IPv4 in its mapped form
/// `::ffff:a.b.c.d`.
///
/// The family comes first so that a short IPv6 prefix such as `::/0` does not include the mapped IPv4 addresses.
pub type HostKey = [u8; 17];

/// A set of addresses and CIDR prefixes of both families.
///
/// A single address is the prefix that contains only it. Bits after the prefix length are ignored: `10.1.2.3/8` is
/// `10.0.0.0/8`. IPv4-mapped IPv6 addresses, and prefixes of them of at least 96 bits, are IPv4.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostSet {
    /// Prefixes in the order given, without duplicates; at least one.
    nets: Vec<IpNet>,
}

impl HostSet {
    /// Returns true if `addr` is in one of the prefixes.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.nets.iter().any(|net| net.contains(&addr))
    }

    /// Returns the trie entry of each prefix: the number of significant leading bits of the key (8 for the family plus
    /// the prefix length, 8 to 136) and the key, whose remaining bits are 0. No entry comes twice.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (u32, HostKey)> {
        self.nets.iter().map(|net| {
            let (family, skipped, addr) = match net {
                IpNet::V4(net) => (4, MAPPED_BITS, net.network().to_ipv6_mapped()),
                IpNet::V6(net) => (6, 0, net.network()),
            };
            let mut key = [family; 17];
            for (to, from) in key.iter_mut().skip(1).zip(addr.octets()) {
                *to = from;
            }
            (8 + u32::from(skipped) + u32::from(net.prefix_len()), key)
        })
    }

    /// Adds every prefix of `other`, for an option given more than once.
    pub fn merge(&mut self, other: &Self) {
        other.nets.iter().for_each(|&net| self.insert(net));
    }

    fn insert(&mut self, net: IpNet) {
        if !self.nets.contains(&net) {
            self.nets.push(net);
        }
    }
}

/// Reasons why a text is not a list of addresses.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum HostSetError {
    /// A comma has nothing before or after it.
    #[error("an item of the list is empty: give addresses with one comma between them, as in 192.0.2.1,10.0.0.0/8,::1")]
    EmptyItem,
    /// An item is not an IPv4 or IPv6 address.
    #[error(
        "'{}' is not an address: give IPv4 or IPv6 addresses or prefixes, not names, as in 192.0.2.1,10.0.0.0/8,::1",
        .0.escape_debug()
    )]
    NotAnAddress(String),
    /// The prefix length is not valid for the address.
    #[error("'{}' is not a prefix length of {addr}: give a number from 0 to {most}", .length.escape_debug())]
    PrefixLength {
        /// The address before the slash.
        addr: IpAddr,
        /// The text after the slash.
        length: String,
        /// Number of bits in the address, the maximum prefix length.
        most: u8,
    },
}

/// Parses a list of addresses and prefixes, such as `192.0.2.1,10.0.0.0/8,::1`. Spaces around its items are ignored.
impl FromStr for HostSet {
    type Err = HostSetError;

    fn from_str(text: &str) -> Result<Self, HostSetError> {
        let mut set = Self { nets: Vec::new() };
        for item in text.split(',').map(str::trim) {
            set.insert(net(item)?);
        }
        Ok(set)
    }
}

fn net(item: &str) -> Result<IpNet, HostSetError> {
    if item.is_empty() {
        return Err(HostSetError::EmptyItem);
    }
    let (addr, length) = match item.split_once('/') {
        None => (item, None),
        Some((addr, length)) => (addr, Some(length)),
    };
    let addr: IpAddr = addr.parse().map_err(|_| HostSetError::NotAnAddress(item.to_owned()))?;
    let most = if addr.is_ipv4() { 32 } else { 128 };
    let wrong = |length: &str| HostSetError::PrefixLength { addr, length: length.to_owned(), most };
    let length = match length {
        None => most,
        // The library's parser would accept a sign.
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_digit()) => return Err(wrong(text)),
        Some(text) => text.parse().map_err(|_| wrong(text))?,
    };
    let net = IpNet::new(addr, length).map_err(|_| wrong(&length.to_string()))?;
    Ok(unmapped(net).trunc())
}

/// Converts a prefix of IPv4-mapped addresses to the IPv4 prefix it stands for.
fn unmapped(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V4(_) => None,
        IpNet::V6(net) => net.addr().to_ipv4_mapped().zip(net.prefix_len().checked_sub(MAPPED_BITS)),
    };
    match mapped.map(|(addr, length)| Ipv4Net::new(addr, length)) {
        Some(Ok(mapped)) => IpNet::V4(mapped),
        _ => net,
    }
}

/// Writes a list that [`HostSet::from_str`] parses, in the order given; single addresses without a length.
impl Display for HostSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, net) in self.nets.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            if net.prefix_len() == net.max_prefix_len() {
                write!(f, "{}", net.addr())?;
            } else {
                write!(f, "{net}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> HostSet {
        text.parse().unwrap()
    }

    fn error(text: &str) -> String {
        text.parse::<HostSet>().unwrap_err().to_string()
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_and_prefixes_of_both_families_are_read() {
        let set = set("192.0.2.1, 10.0.0.0/8 ,::1,2001:db8::/32");
        for inside in ["192.0.2.1", "10.255.0.1", "::ffff:10.1.2.3", "::1", "2001:db8:ffff::1"] {
            assert!(set.contains(addr(inside)), "{inside}");
        }
        for outside in ["192.0.2.2", "11.0.0.0", "::ffff:192.0.2.2", "::2", "::a00:1", "2001:db9::"] {
            assert!(!set.contains(addr(outside)), "{outside}");
        }
        assert_eq!(set.to_string(), "192.0.2.1,10.0.0.0/8,::1,2001:db8::/32");
    }

    #[test]
    fn host_bits_are_masked_and_mapped_prefixes_are_ipv4() {
        assert_eq!(set("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(set("2001:db8::1/32").to_string(), "2001:db8::/32");
        assert_eq!(set("::ffff:10.1.2.3").to_string(), "10.1.2.3");
        assert_eq!(set("::ffff:10.1.2.3/104").to_string(), "10.0.0.0/8");
        assert_eq!(set("::ffff:10.1.2.3/96").to_string(), "0.0.0.0/0");
        assert_eq!(set("::ffff:10.1.2.3/95").to_string(), "::fffe:0:0/95");
        assert_eq!(set("10.0.0.1,::ffff:10.0.0.1,10.0.0.1/32").to_string(), "10.0.0.1");
    }

    #[test]
    fn the_family_is_part_of_the_key() {
        let keys: Vec<_> = set("0.0.0.0/0,::/0,10.1.0.0/16,::1").keys().collect();
        let any_v4 = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0];
        let any_v6 = [6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let ten_one = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 0, 0];
        let loopback = [6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(keys, [(104, any_v4), (8, any_v6), (120, ten_one), (136, loopback)]);

        assert!(!set("::/0").contains(addr("10.0.0.1")));
        assert!(!set("::/0").contains(addr("::ffff:10.0.0.1")));
        assert!(!set("0.0.0.0/0").contains(addr("::1")));
    }

    #[test]
    fn errors_name_the_item_and_the_right_form() {
        for text in ["example.org", "10.0.0", "10.0.0.256", "/8", "[::1]", "fe80::1%eth0", "010.0.0.1", "10.0.0.1:80"] {
            assert_eq!(
                error(text),
                format!(
                    "'{text}' is not an address: give IPv4 or IPv6 addresses or prefixes, not names, as in \
                     192.0.2.1,10.0.0.0/8,::1"
                )
            );
        }
        assert_eq!(error("10.0.0.0/33"), "'33' is not a prefix length of 10.0.0.0: give a number from 0 to 32");
        assert_eq!(error("::/129"), "'129' is not a prefix length of ::: give a number from 0 to 128");
        assert_eq!(error("::/1000"), "'1000' is not a prefix length of ::: give a number from 0 to 128");
        assert_eq!(error("10.0.0.0/"), "'' is not a prefix length of 10.0.0.0: give a number from 0 to 32");
        assert_eq!(error("10.0.0.0/+8"), "'+8' is not a prefix length of 10.0.0.0: give a number from 0 to 32");
        for text in ["", "::1,", ",::1", "::1,,::2"] {
            assert_eq!(
                error(text),
                "an item of the list is empty: give addresses with one comma between them, as in \
                 192.0.2.1,10.0.0.0/8,::1",
                "{text:?}"
            );
        }
    }

    /// Few bits vary, so that prefixes and addresses meet.
    fn addrs() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0..4_u32, 0..4_u32).prop_map(|(high, low)| Ipv4Addr::from(high << 30 | low).into()),
            (0..4_u32, 0..4_u32).prop_map(|(high, low)| Ipv4Addr::from(high << 30 | low).to_ipv6_mapped().into()),
            (0..4_u128, 0..4_u128).prop_map(|(high, low)| Ipv6Addr::from(high << 126 | low).into()),
        ]
    }

    fn prefixes() -> impl Strategy<Value = (IpAddr, u8)> {
        addrs().prop_flat_map(|addr| (Just(addr), 0..=if addr.is_ipv4() { 32 } else { 128_u8 }))
    }

    /// The key of a single address, as the kernel programs make it.
    fn key(addr: IpAddr) -> u128 {
        match addr.to_canonical() {
            IpAddr::V4(addr) => addr.to_ipv6_mapped().into(),
            IpAddr::V6(addr) => addr.into(),
        }
    }

    fn same_start(one: u128, other: u128, bits: u32) -> bool {
        bits == 0 || (one ^ other) >> (128 - bits) == 0
    }

    proptest! {
        #[test]
        fn the_set_and_its_trie_hold_exactly_the_prefixes(
            prefixes in prop::collection::vec(prefixes(), 1..6),
            addr in addrs(),
        ) {
            let items: Vec<String> = prefixes.iter().map(|(addr, length)| format!("{addr}/{length}")).collect();
            let set = set(&items.join(","));

            let expected = prefixes.iter().any(|&(net, length)| {
                let bits = if net.is_ipv4() { 96 + u32::from(length) } else { u32::from(length) };
                let mapped = net.is_ipv4() || (key(net) >> 32 == 0xffff && bits >= 96);
                mapped == addr.to_canonical().is_ipv4() && same_start(key(net), key(addr), bits)
            });
            prop_assert_eq!(set.contains(addr), expected);

            let family = if addr.to_canonical().is_ipv4() { 4 } else { 6 };
            let in_trie = set.keys().any(|(bits, bytes)| {
                let net = u128::from_be_bytes(bytes[1..].try_into().unwrap());
                bytes[0] == family && same_start(net, key(addr), bits - 8)
            });
            prop_assert_eq!(in_trie, expected);

            prop_assert_eq!(set.to_string().parse::<HostSet>().unwrap(), set);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-f:./,]{0,20}|\\PC{0,12}") {
            let _ = text.parse::<HostSet>();
        }
    }
}
