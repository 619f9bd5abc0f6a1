//! Fast appending of line fragments. Output has to keep up with the kernel, and most of a line is constant text,
//! numbers and addresses: these are appended without [`std::fmt`].

use std::{fmt, io::Write as _, net::IpAddr};

use crate::text::{AddressText, v4_text};

/// A line under construction.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    /// Capacity beyond nearly every line's length, so that a line needs one allocation at most.
    const USUAL: usize = 1024;

    /// Begins a line at the end of `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.reserve(Self::USUAL);
        Self { out }
    }

    /// Appends bytes unchanged.
    #[inline]
    pub(super) fn raw(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.out.extend_from_slice(bytes.as_ref());
        self
    }

    /// Appends a number.
    #[inline]
    pub(super) fn number(&mut self, number: impl Into<u32>) -> &mut Self {
        self.long_number(number.into().into())
    }

    /// Appends a number that may need 64 bits.
    #[inline]
    pub(super) fn long_number(&mut self, number: u64) -> &mut Self {
        self.raw(itoa::Buffer::new().format(number))
    }

    /// Appends a time as in JSON.
    #[cfg(feature = "serde")]
    #[inline]
    pub(super) fn time_or_null(&mut self, time: crate::text::WallTime) -> &mut Self {
        if !time.is_known() {
            return self.raw("null");
        }
        let (second, fraction) = time.parts();
        self.raw("\"").raw(second).raw(crate::text::nine_digits(fraction)).raw("Z\"")
    }

    /// Appends an address.
    pub(super) fn address(&mut self, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => {
                let (text, len) = v4_text(address);
                self.padded(&text, len)
            }
            IpAddr::V6(_) => self.raw(AddressText::new(address).as_bytes()),
        }
    }

    /// Appends the first `len` of some bytes. It copies all of them, since a copy of constant length needs no call.
    #[inline]
    fn padded<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> &mut Self {
        let end = self.out.len() + len;
        self.out.extend_from_slice(bytes);
        self.out.truncate(end);
        self
    }

    /// Appends any other value.
    pub(super) fn display(&mut self, value: impl fmt::Display) -> &mut Self {
        // Writing to a Vec cannot fail.
        let _ = write!(self.out, "{value}");
        self
    }

    /// Returns the underlying buffer, for writers of other formats.
    #[cfg(feature = "serde")]
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }
}
