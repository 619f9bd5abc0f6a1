//! Numbers in bytes that may end too soon.

/// The order of the bytes of a number. Captures are in that of the machine that wrote them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// The least significant first.
    Little,
    /// The most significant first.
    Big,
}

impl Order {
    /// The 16 bits at `at`.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let number = array(bytes, at)?;
        Some(if self == Self::Big { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) })
    }

    /// The 32 bits at `at`.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = array(bytes, at)?;
        Some(if self == Self::Big { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) })
    }

    /// The 64 bits at `at`.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let number = array(bytes, at)?;
        Some(if self == Self::Big { u64::from_be_bytes(number) } else { u64::from_le_bytes(number) })
    }
}

/// The `N` bytes at `at`.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
