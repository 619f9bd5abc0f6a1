//! IEEE 802.11, and the headers that drivers put in front of it.

use super::{
    bytes::Order,
    ip::Reason,
    link_type::Layout,
    unread::Unread,
    walk::{Next, Walk},
};

impl Walk {
    /// Passes the driver's header, if `layout` has one, and that of IEEE 802.11.
    pub(super) fn wireless(&mut self, frame: &[u8], layout: Layout) -> Result<Next, Reason> {
        let mut padded = false;
        match layout {
            Layout::Radiotap => padded = self.radiotap(frame)?,
            Layout::Prism | Layout::Avs => self.prism(frame)?,
            _ => {}
        }
        self.wlan(frame, padded)
    }

    /// Radiotap: version, padding, length, then which fields are present. Returns true if the next header is padded to
    /// a multiple of four bytes.
    fn radiotap(&mut self, frame: &[u8]) -> Result<bool, Reason> {
        const MORE: u32 = 1 << 31;
        const WORDS: usize = 16;
        const DATA_PAD: u8 = 0x20;
        let header = self.rest(frame);
        let length = Order::Little.u16(header, 2).ok_or(Reason::Ends)?;
        let first = Order::Little.u32(header, 4).ok_or(Reason::Ends)?;
        let words =
            (0..WORDS).take_while(|at| Order::Little.u32(header, 4 + at * 4).is_some_and(|word| word & MORE != 0));
        let fields = 8 + words.count() * 4;
        // An 8-byte time precedes the flags.
        let flags = if first & 1 == 0 { fields } else { fields.next_multiple_of(8) + 8 };
        let padded = first & 2 != 0 && header.get(flags).is_some_and(|flags| flags & DATA_PAD != 0);
        self.skip(frame, length.into())?;
        Ok(padded)
    }

    /// Passes a Prism header, whose length is in the byte order of the capturing machine, or an AVS header, which devices of
    /// the same kind may write as well: that is in network order and begins with its version.
    fn prism(&mut self, frame: &[u8]) -> Result<(), Reason> {
        let [v0, v1, v2, _, l0, l1, l2, l3] = self.peek(frame)?;
        let length = match [v0, v1, v2 & 0xf0] {
            [0x80, 0x21, 0x10] => u32::from_be_bytes([l0, l1, l2, l3]),
            _ => match u32::from_le_bytes([l0, l1, l2, l3]) {
                swapped @ 0x0001_0000.. => swapped.swap_bytes(),
                length => length,
            },
        };
        self.skip(frame, length as usize)
    }

    /// IEEE 802.11 §9.2: only data frames have a payload, and it is readable only if not encrypted.
    fn wlan(&mut self, frame: &[u8], padded: bool) -> Result<Next, Reason> {
        const DATA: u8 = 2;
        let [control, flags] = self.peek(frame)?;
        let (kind, subtype) = (control >> 2 & 3, control >> 4);
        // Subtypes with this bit carry no data.
        if kind != DATA || subtype & 4 != 0 {
            return Err(Reason::NotIp(Unread::Wlan));
        }
        let quality = subtype & 8 != 0;
        let (between_stations, protected, order) = (flags & 3 == 3, flags & 0x40 != 0, flags & 0x80 != 0);
        let addresses = 24 + if between_stations { 6 } else { 0 };
        let mut length = addresses;
        let mut aggregated = false;
        if quality {
            let [first, _] = *self.rest(frame).get(addresses..).and_then(<[u8]>::first_chunk).ok_or(Reason::Ends)?;
            aggregated = first & 0x80 != 0;
            length += 2 + if order { 4 } else { 0 };
        }
        if protected {
            return Err(Reason::NotIp(Unread::Protected));
        }
        let sequence = Order::Little.u16(self.rest(frame), 22).ok_or(Reason::Ends)?;
        if aggregated || sequence & 0xf != 0 {
            return Err(Reason::NotIp(Unread::Aggregated));
        }
        self.skip(frame, if padded { length.next_multiple_of(4) } else { length })?;
        Ok(Next::Llc)
    }
}
