//! The control bits of a segment (RFC 9293 §3.1, RFC 3168, RFC 9768) in tcpdump's letters.

use std::{fmt, ops::BitOr};

/// The control bits: the flags byte in the low eight bits, AE above it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Sequence numbers begin.
    pub const SYN: Self = Self(0x002);
    /// The connection is aborted.
    pub const RST: Self = Self(0x004);
    /// Data for the application at once.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgement number is significant.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x020);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN (RFC 9768), earlier the nonce sum.
    pub const AE: Self = Self(0x100);

    /// The flags that Accurate ECN uses as a number, the ACE field (RFC 9768 §3.2.2).
    pub const ACE: Self = Self(0x1c0);

    /// Every flag.
    pub(crate) const ALL: Self = Self(0x1ff);

    /// Text for no flags at all.
    const NO_FLAG: &str = "none";

    /// tcpdump's letters in tcpdump's order.
    const LETTERS: [(Self, u8); 9] = [
        (Self::FIN, b'F'),
        (Self::SYN, b'S'),
        (Self::RST, b'R'),
        (Self::PSH, b'P'),
        (Self::ACK, b'.'),
        (Self::URG, b'U'),
        (Self::ECE, b'E'),
        (Self::CWR, b'W'),
        (Self::AE, b'e'),
    ];

    /// Returns true if all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns true if any of `flags` is set.
    pub const fn intersects(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Returns these flags without `flags`.
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// Returns AE, CWR and ECE as a number from 0 to 7, AE in its highest bit.
    pub const fn ace(self) -> u8 {
        ((self.0 & Self::ACE.0) >> Self::ECE.0.trailing_zeros()) as u8
    }

    /// Returns these flags, and those of an ACE field's number.
    pub const fn with_ace(self, ace: u8) -> Self {
        Self(self.0 | (ace as u16) << Self::ECE.0.trailing_zeros() & Self::ACE.0)
    }

    /// Returns the flags for these letters, in any order; `None` if one is unknown.
    pub fn from_letters(letters: &str) -> Option<Self> {
        if letters == Self::NO_FLAG {
            return Some(Self::NONE);
        }
        letters.bytes().try_fold(Self::NONE, |flags, letter| {
            let (flag, _) = Self::LETTERS.into_iter().find(|&(_, known)| known == letter)?;
            Some(flags | flag)
        })
    }

    /// Returns the flags as letters.
    pub(crate) fn letters(self) -> &'static FlagLetters {
        // There are no other flags: a remainder is below the length.
        const NO_LETTERS: &FlagLetters = &FlagLetters::of(TcpFlags::NONE);
        FlagLetters::ALL.get(usize::from(self.0) % FlagLetters::ALL.len()).unwrap_or(NO_LETTERS)
    }
}

/// Flags as letters.
pub(crate) struct FlagLetters {
    len: usize,
    bytes: [u8; TcpFlags::LETTERS.len()],
}

impl FlagLetters {
    /// Table of the letters for each combination of flags.
    const ALL: &[Self; 1 << TcpFlags::LETTERS.len()] = &{
        let mut all = [const { Self::of(TcpFlags::NONE) }; _];
        let mut flags = 0;
        while flags < all.len() {
            all[flags] = Self::of(TcpFlags(flags as u16));
            flags += 1;
        }
        all
    };

    const fn of(flags: TcpFlags) -> Self {
        let mut letters = Self { len: 0, bytes: [0; TcpFlags::LETTERS.len()] };
        let mut index = 0;
        while index < TcpFlags::LETTERS.len() {
            let (flag, letter) = TcpFlags::LETTERS[index];
            if flags.contains(flag) {
                letters.bytes[letters.len] = letter;
                letters.len += 1;
            }
            index += 1;
        }
        letters
    }

    fn as_str(&self) -> &str {
        match self.bytes.get(..self.len).and_then(|letters| str::from_utf8(letters).ok()) {
            None | Some("") => TcpFlags::NO_FLAG,
            Some(letters) => letters,
        }
    }
}

impl AsRef<[u8]> for FlagLetters {
    fn as_ref(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl BitOr for TcpFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.letters().as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TcpFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.letters().as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for TcpFlags {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "the flags of a segment", Self::from_letters)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TcpFlags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TcpFlags".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "TCP flags in tcpdump's letters and order: F FIN, S SYN, R RST, P PSH, . ACK, U URG, E ECE, \
                            W CWR, e AE; none for no flag.",
            "type": "string",
            "minLength": 1,
            "pattern": "^(none|F?S?R?P?\\.?U?E?W?e?)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_are_those_of_tcpdump() {
        for (bits, letters) in [
            (0x002, "S"),
            (0x012, "S."),
            (0x010, "."),
            (0x018, "P."),
            (0x011, "F."),
            (0x019, "FP."),
            (0x004, "R"),
            (0x014, "R."),
            (0x0c2, "SEW"),
            (0x052, "S.E"),
            (0x1c2, "SEWe"),
            (0x003, "FS"),
            (0x1ff, "FSRP.UEWe"),
            (0x000, "none"),
        ] {
            assert_eq!(TcpFlags(bits).to_string(), letters);
            assert_eq!(serde_json::to_string(&TcpFlags(bits)).unwrap(), format!("\"{letters}\""));
        }
        assert_eq!(TcpFlags::from_letters("S?"), None);
    }

    #[test]
    fn contains_asks_for_all_of_them() {
        let syn_ack = TcpFlags::SYN | TcpFlags::ACK;
        assert!(syn_ack.contains(TcpFlags::SYN));
        assert!(syn_ack.contains(syn_ack));
        assert!(!TcpFlags::SYN.contains(syn_ack));
        assert!(TcpFlags::SYN.intersects(syn_ack));
        assert!(!TcpFlags::RST.intersects(syn_ack));
    }

    #[test]
    fn the_ace_field_is_a_number() {
        for (flags, ace) in [
            (TcpFlags::NONE, 0),
            (TcpFlags::ECE, 1),
            (TcpFlags::CWR, 2),
            (TcpFlags::AE, 4),
            (TcpFlags::AE | TcpFlags::ECE, 5),
            (TcpFlags::ACE, 7),
        ] {
            let with_others = flags | TcpFlags::ACK | TcpFlags::FIN;
            assert_eq!((flags.ace(), with_others.ace()), (ace, ace));
            let without = with_others.without(TcpFlags::ACE);
            assert_eq!(without, TcpFlags::ACK | TcpFlags::FIN);
            assert_eq!(without.with_ace(ace), with_others);
        }
        assert_eq!(TcpFlags::NONE.with_ace(0xff), TcpFlags::ACE);
    }

    proptest! {
        #[test]
        fn letters_say_every_flag(bits in 0u16..0x200) {
            let flags = TcpFlags(bits);
            prop_assert_eq!(TcpFlags::from_letters(&flags.to_string()), Some(flags));
            prop_assert_eq!(serde_json::from_str::<TcpFlags>(&format!("\"{flags}\"")).ok(), Some(flags));
        }

        #[test]
        fn bits_that_are_no_flags_are_not_shown(bits: u16) {
            prop_assert_eq!(TcpFlags(bits).to_string(), TcpFlags(bits & 0x1ff).to_string());
        }
    }
}
