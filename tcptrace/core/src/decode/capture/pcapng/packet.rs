//! Blocks of frames: enhanced and simple ones, and those of the first draft.

use super::{ENHANCED_PACKET, SIMPLE_PACKET, Section, process::Options};
use crate::decode::capture::{frame::Frame, ip::Reason};

/// Length of the fields before the frame in enhanced packet blocks and old ones: the interface, the time in two halves,
/// the captured length and the original one.
const FIXED: usize = 20;

impl Section {
    /// Returns the frame in the body of a block.
    pub(super) fn frame<'a>(&self, kind: u32, body: &'a [u8]) -> Result<Frame<'a>, Reason> {
        match kind {
            SIMPLE_PACKET => self.simple(body),
            ENHANCED_PACKET => self.packet(body, self.order.u32(body, 0)),
            // The first draft had 16 bits for the interface and 16 for a count of losses.
            _ => self.packet(body, self.order.u16(body, 0).map(u32::from)),
        }
    }

    fn packet<'a>(&self, body: &'a [u8], interface: Option<u32>) -> Result<Frame<'a>, Reason> {
        let number = |at| self.order.u32(body, at).ok_or(Reason::Malformed);
        let described = self.interfaces.get(interface.ok_or(Reason::Malformed)? as usize).ok_or(Reason::Interface)?;
        let units = u64::from(number(4)?) << 32 | u64::from(number(8)?);
        let captured = number(12)? as usize;
        let rest = body.get(FIXED..).ok_or(Reason::Malformed)?;
        let (bytes, behind) = rest.split_at_checked(captured).ok_or(Reason::Malformed)?;
        let padding = captured.next_multiple_of(4) - captured;
        let options = Options::read(self.order, behind.get(padding..).unwrap_or_default());
        Ok(Frame {
            at: Some(described.timescale.time(units)),
            interface: described.number,
            direction: options.direction,
            bytes,
            original: number(16)?,
            process: self.process(&options),
        })
    }

    /// Returns a frame of the first interface, without a time.
    fn simple<'a>(&self, body: &'a [u8]) -> Result<Frame<'a>, Reason> {
        let described = self.interfaces.first().ok_or(Reason::Interface)?;
        let original = self.order.u32(body, 0).ok_or(Reason::Malformed)?;
        let rest = body.get(4..).ok_or(Reason::Malformed)?;
        let snapped = if described.snap_length == 0 { original } else { original.min(described.snap_length) };
        Ok(Frame {
            at: None,
            interface: described.number,
            direction: None,
            bytes: rest.get(..snapped as usize).ok_or(Reason::Malformed)?,
            original,
            process: None,
        })
    }
}
