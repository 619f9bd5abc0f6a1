//! Headers of capture points: the kernel or the capturing device puts them before a frame, and they say more about it than the
//! wire does, such as its direction, its device or its process.

use super::{
    bytes::Order,
    ip::Reason,
    link::{address_family, outgoing},
    unread::Unread,
    walk::{Next, Walk},
};
use crate::event::{Comm, Direction, Family, Process};

impl Walk {
    pub(super) fn linux_cooked_1(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [t0, t1, .., p0, p1] = self.take::<16>(frame)?;
        self.direction = packet_type(u16::from_be_bytes([t0, t1]));
        Ok(self.cooked(frame, u16::from_be_bytes([p0, p1])))
    }

    pub(super) fn linux_cooked_2(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [p0, p1, _, _, i0, i1, i2, i3, _, _, packet, ..] = self.take::<20>(frame)?;
        self.device = Some(u32::from_be_bytes([i0, i1, i2, i3]));
        self.direction = packet_type(packet.into());
        Ok(self.cooked(frame, u16::from_be_bytes([p0, p1])))
    }

    /// Returns what follows a Linux cooked header. With two tags on a device, Linux reports the protocol of the packet,
    /// but the bytes begin inside the inner tag.
    fn cooked(&mut self, frame: &[u8], number: u16) -> Next {
        match (number, self.rest(frame)) {
            (0x0800, &[t0, t1, 0x08, 0x00, ..]) if t0 >> 4 != 4 => self.inner_tag([t0, t1], Family::V4),
            (0x86dd, &[t0, t1, 0x86, 0xdd, ..]) if t0 >> 4 != 6 => self.inner_tag([t0, t1], Family::V6),
            // 802.2 frames and raw 802.3.
            (1 | 4, _) => Next::Llc,
            _ => Next::Type(number),
        }
    }

    fn inner_tag(&mut self, tag: [u8; 2], family: Family) -> Next {
        // The first layer of a frame always has room.
        let _first = self.layers.push(super::layer::Layer::Vlan(u16::from_be_bytes(tag) & 0x0fff));
        self.offset += 4;
        Next::Ip(family)
    }

    /// OpenBSD's `struct pfloghdr`: its length without padding, the address family …, the direction.
    pub(super) fn pflog(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [length, family] = self.peek(frame)?;
        self.direction = match self.rest(frame).get(60).filter(|_| length > 60) {
            Some(1) => Some(Direction::In),
            Some(2) => Some(Direction::Out),
            _ => None,
        };
        self.skip(frame, usize::from(length).next_multiple_of(4))?;
        address_family(family.into())
    }

    /// Linux's `struct nfgenmsg` and attributes, one of which is the payload, in the byte order of the capturing
    /// machine.
    pub(super) fn nflog(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        const PAYLOAD: u16 = 9;
        const ATTRIBUTES: usize = 64;
        self.skip(frame, 4)?;
        let fits = |order: &Order| order.u16(self.rest(frame), 0).is_some_and(|length| (4..0x100).contains(&length));
        let order = [Order::Little, Order::Big].into_iter().find(fits).ok_or(Reason::Malformed)?;
        for _ in 0..ATTRIBUTES {
            let (length, kind) =
                order.u16(self.rest(frame), 0).zip(order.u16(self.rest(frame), 2)).ok_or(Reason::Ends)?;
            if kind & 0x7fff == PAYLOAD {
                self.skip(frame, 4)?;
                return Ok(Next::AnyIp);
            }
            if length < 4 {
                return Err(Reason::Malformed);
            }
            self.skip(frame, usize::from(length).next_multiple_of(4))?;
        }
        Err(Reason::NotIp(Unread::NoPacket))
    }

    /// Darwin's `struct pktap_header`, in little-endian order on every machine.
    pub(super) fn pktap(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        const PACKET: u32 = 1;
        const NOBODY: u32 = u32::MAX;
        let header = self.rest(frame);
        let number = |at| Order::Little.u32(header, at).ok_or(Reason::Ends);
        let (length, kind, link_type, flags) = (number(0)?, number(4)?, number(8)?, number(36)?);
        self.direction = match flags & 3 {
            1 => Some(Direction::In),
            2 => Some(Direction::Out),
            _ => None,
        };
        let name = |at: usize| header.get(at..at + 16).and_then(|name| name.first_chunk::<16>()).copied();
        // The process on whose behalf another one acts comes last, if the header includes it.
        let effective = number(84).ok().zip(name(88)).filter(|_| length >= 108);
        let process = effective.filter(|&(pid, _)| pid != NOBODY && pid != 0).or(number(52).ok().zip(name(56)));
        self.process = process
            .filter(|&(pid, name)| pid != NOBODY && pid != 0 && name[0] != 0)
            .map(|(pid, name)| Process { pid, comm: Comm(name) });
        self.skip(frame, length as usize)?;
        if kind == PACKET { self.inner(frame, link_type) } else { Err(Reason::NotIp(Unread::NoPacket)) }
    }

    /// Solaris's `struct dl_ipnetinfo`, in network order: version, address family, hook, length, index of the device, zones.
    pub(super) fn ipnet(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [_, family, h0, h1, _, _, _, _, i0, i1, i2, i3, ..] = self.take::<24>(frame)?;
        self.device = Some(u32::from_be_bytes([i0, i1, i2, i3]));
        self.direction = match u16::from_be_bytes([h0, h1]) {
            0 => Some(Direction::In),
            1 => Some(Direction::Out),
            _ => None,
        };
        match family {
            2 => Ok(Next::Ip(Family::V4)),
            26 => Ok(Next::Ip(Family::V6)),
            other => Err(Reason::NotIp(Unread::Family(other.into()))),
        }
    }

    /// An Endace record: 16 bytes, further headers of 8 bytes while the highest bit of the type is set, then the frame.
    pub(super) fn erf(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        const EXTENSIONS: usize = 16;
        let [.., kind, _, _, _, _, _, _, _] = self.take::<16>(frame)?;
        let mut more = kind & 0x80 != 0;
        for _ in 0..EXTENSIONS {
            if !more {
                break;
            }
            more = self.take::<8>(frame)?[0] & 0x80 != 0;
        }
        match kind & 0x7f {
            // HDLC, as it is and with colours.
            1 | 10 | 15 | 17 => self.ppp_or_hdlc(frame),
            // A channel of several, in four bytes.
            5 => {
                self.skip(frame, 4)?;
                self.ppp_or_hdlc(frame)
            }
            // An ATM header.
            4 => {
                self.skip(frame, 4)?;
                Ok(Next::Llc)
            }
            // Ethernet, the same: an offset and padding before it.
            2 | 11 | 16 | 20 => {
                self.skip(frame, 2)?;
                Ok(Next::Ethernet)
            }
            22 => Ok(Next::Ip(Family::V4)),
            23 => Ok(Next::Ip(Family::V6)),
            _ => Err(Reason::NotIp(Unread::NoPacket)),
        }
    }
}

/// Returns the direction from Linux's `skb->pkt_type`: 4 is outgoing; everything else came in, whether for this host or
/// another.
fn packet_type(number: u16) -> Option<Direction> {
    const PACKET_OUTGOING: u16 = 4;
    Some(outgoing(number == PACKET_OUTGOING))
}
