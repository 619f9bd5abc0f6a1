//! What lines are made of. Output has to keep up with the kernel, and most of a line is constant text, numbers and
//! addresses: these are appended without [`std::fmt`].

use std::{fmt, io::Write as _, net::IpAddr};

use crate::text::AddressText;

/// A line in the making.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    /// More than nearly every line has, so that memory is asked for once a line at most.
    const USUAL: usize = 1024;

    /// Begins a line behind what is in `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.reserve(Self::USUAL);
        Self { out }
    }

    /// Appends bytes as they are.
    #[inline]
    pub(super) fn raw(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.out.extend_from_slice(bytes.as_ref());
        self
    }

    /// Appends a number.
    #[inline]
    pub(super) fn number(&mut self, number: impl Into<u32>) -> &mut Self {
        self.raw(number.into().format_into(&mut core::fmt::NumBuffer::new()))
    }

    /// Appends a number that may need 64 bits.
    #[inline]
    pub(super) fn long_number(&mut self, number: u64) -> &mut Self {
        self.raw(number.format_into(&mut core::fmt::NumBuffer::new()))
    }

    /// Appends an address.
    pub(super) fn address(&mut self, address: IpAddr) -> &mut Self {
        self.raw(AddressText::new(address).as_bytes())
    }

    /// Appends anything else.
    pub(super) fn display(&mut self, value: impl fmt::Display) -> &mut Self {
        // Writing to memory does not fail.
        let _ = write!(self.out, "{value}");
        self
    }

    /// What the line is written to, for writers of other kinds.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }
}
