//! Numbers in byte slices that may be too short.

/// Byte order of numbers. Captures use that of the machine that wrote them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Returns the 16-bit number at offset `at`.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let number = array(bytes, at)?;
        Some(if self == Self::Big { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) })
    }

    /// Returns the 32-bit number at offset `at`.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = array(bytes, at)?;
        Some(if self == Self::Big { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) })
    }

    /// Returns the 64-bit number at offset `at`.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let number = array(bytes, at)?;
        Some(if self == Self::Big { u64::from_be_bytes(number) } else { u64::from_le_bytes(number) })
    }
}

/// Returns the `N` bytes at offset `at`.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
