//! Addresses as text, without the standard library's formatter: every line of output has several.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Decimal digits of each value of an octet, followed by a dot, the first in the lowest byte, and the number of bytes.
const OCTETS: [(u32, u8); 256] = {
    let mut octets = [(0, 0); 256];
    let mut value = 0;
    while value < octets.len() {
        let [a, b, c] = [b'0' + (value / 100) as u8, b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
        octets[value] = match value {
            100.. => (u32::from_le_bytes([a, b, c, b'.']), 4),
            10.. => (u32::from_le_bytes([b, c, b'.', 0]), 3),
            _ => (u32::from_le_bytes([c, b'.', 0, 0]), 2),
        };
        value += 1;
    }
    octets
};

/// Returns the text of an IPv4 address and its length; the bytes after it are padding. It is assembled in a register,
/// since storing it octet by octet and copying it would stall on the stores.
#[inline]
pub(crate) fn v4_text(address: Ipv4Addr) -> ([u8; 16], usize) {
    let (mut text, mut len) = (0, 0);
    for octet in address.octets() {
        let &(digits, more) = OCTETS.get(usize::from(octet)).unwrap_or(&(0, 0));
        text |= u128::from(digits) << (len * 8);
        len += usize::from(more);
    }
    // Without the last dot.
    (text.to_le_bytes(), len.saturating_sub(1))
}

/// The text of an address, on the stack; identical to its `Display` (RFC 5952 for IPv6).
#[derive(Clone, Copy)]
pub struct AddressText {
    len: usize,
    bytes: [u8; Self::MAX],
}

impl AddressText {
    /// Maximum length: eight groups of four digits and the colons between them.
    const MAX: usize = 39;

    /// Formats `address`.
    pub fn new(address: IpAddr) -> Self {
        let mut text = Self { len: 0, bytes: [0; Self::MAX] };
        match address {
            IpAddr::V4(address) => text.push_v4(address),
            IpAddr::V6(address) => text.push_v6(address),
        }
        text
    }

    /// Returns the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn push_v4(&mut self, address: Ipv4Addr) {
        let (text, len) = v4_text(address);
        text.iter().take(len).for_each(|&byte| self.push(byte));
    }

    fn push_v6(&mut self, address: Ipv6Addr) {
        if let Some(mapped) = address.to_ipv4_mapped() {
            b"::ffff:".iter().for_each(|&byte| self.push(byte));
            return self.push_v4(mapped);
        }
        let groups = address.segments();
        match longest_zeroes(&groups) {
            Some((before, after)) => {
                self.push_groups(before);
                self.push(b':');
                self.push(b':');
                self.push_groups(after);
            }
            None => self.push_groups(&groups),
        }
    }

    fn push_groups(&mut self, groups: &[u16]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for (index, &group) in groups.iter().enumerate() {
            if index > 0 {
                self.push(b':');
            }
            for shift in [12, 8, 4, 0] {
                if shift == 0 || group >> shift != 0 {
                    let digit = DIGITS.get(usize::from(group >> shift & 0xf)).copied();
                    self.push(digit.unwrap_or_default());
                }
            }
        }
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

/// Returns the groups before and after the first of the longest runs of at least two zeroes (RFC 5952 §4.2).
fn longest_zeroes(groups: &[u16; 8]) -> Option<(&[u16], &[u16])> {
    let (mut start, mut len) = (0, 1);
    let mut run = 0;
    for (index, &group) in groups.iter().enumerate() {
        run = if group == 0 { run + 1 } else { 0 };
        if run > len {
            (start, len) = (index + 1 - run, run);
        }
    }
    if len == 1 { None } else { Some((groups.get(..start)?, groups.get(start + len..)?)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(address: IpAddr) -> String {
        format!("{:?}", AddressText::new(address))
    }

    proptest! {
        #[test]
        fn version_4_reads_as_displayed(octets: [u8; 4]) {
            let address = IpAddr::from(octets);
            prop_assert_eq!(text(address), address.to_string());
        }

        #[test]
        fn version_6_reads_as_displayed(groups: [u16; 8], zeroes: u8, narrow: u8) {
            let mut groups = groups;
            for (index, group) in groups.iter_mut().enumerate() {
                if zeroes >> index & 1 == 1 {
                    *group = 0;
                } else if narrow >> index & 1 == 1 {
                    *group >>= *group % 16;
                }
            }
            let address = IpAddr::from(groups);
            prop_assert_eq!(text(address), address.to_string());
        }
    }

    #[test]
    fn special_addresses_read_as_displayed() {
        for address in ["::", "::1", "1::", "::ffff:10.0.0.1", "::10.0.0.1", "fe80::1:0:0:2", "0:0:1::", "1:0:2::3:0"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(text(address), address.to_string());
        }
    }
}
