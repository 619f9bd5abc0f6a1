//! Link-layer headers: from the first byte of a frame to the header after that of its link layer.

use super::{
    bytes::Order,
    ip::Reason,
    link_type::{Layout, LinkType},
    unread::Unread,
    walk::{Next, Walk},
};
use crate::event::{Comm, Direction, Family, Process};

impl Walk {
    /// Passes the link-layer header at the beginning of `frame`, or at [`Walk::offset`].
    #[inline]
    pub(super) fn link(&mut self, frame: &[u8], layout: Layout) -> Result<Next, Reason> {
        match layout {
            Layout::Ethernet => self.ethernet(frame),
            Layout::Raw => Ok(Next::AnyIp),
            Layout::Ip(family) => Ok(Next::Ip(family)),
            Layout::Null | Layout::Loop => address_family(u32::from_be_bytes(self.take(frame)?)),
            Layout::LinuxCooked1 => self.linux_cooked_1(frame),
            Layout::LinuxCooked2 => self.linux_cooked_2(frame),
            other => self.rare_link(frame, other),
        }
    }

    /// Rare link types, kept out of the fast path.
    #[inline(never)]
    fn rare_link(&mut self, frame: &[u8], layout: Layout) -> Result<Next, Reason> {
        match layout {
            Layout::Prefixed(count) => {
                self.skip(frame, count)?;
                Ok(Next::Ethernet)
            }
            Layout::SwitchTag(count) => {
                self.skip(frame, 12 + count)?;
                self.ether_type_next(frame)
            }
            Layout::Ppp => self.ppp_or_hdlc(frame),
            Layout::PppPppd => {
                let [direction, _] = self.take(frame)?;
                self.direction = Some(outgoing(direction != 0));
                Ok(Next::Ppp)
            }
            Layout::PppWithDirection => {
                self.sent_byte(frame)?;
                self.ppp_or_hdlc(frame)
            }
            Layout::PppEther => self.pppoe(frame),
            Layout::CiscoHdlc { direction } => {
                if direction {
                    self.sent_byte(frame)?;
                }
                self.skip(frame, 2)?;
                self.ether_type_next(frame)
            }
            Layout::FrameRelay { direction } => {
                if direction {
                    self.sent_byte(frame)?;
                }
                self.frame_relay(frame)
            }
            Layout::Llc => Ok(Next::Llc),
            Layout::ClassicalIp if self.rest(frame).starts_with(&[0xaa, 0xaa, 0x03]) => Ok(Next::Llc),
            Layout::ClassicalIp => Ok(Next::AnyIp),
            Layout::SunAtm => {
                let [flags, _, _, _] = self.take(frame)?;
                self.direction = Some(outgoing(flags & 0x80 != 0));
                // Of the traffic types, 2 is RFC 1483 with an LLC header.
                if flags & 0xf == 2 { Ok(Next::Llc) } else { Err(Reason::NotIp(Unread::NoPacket)) }
            }
            // Access and frame control, both addresses, and a route if the source says so.
            Layout::TokenRing => {
                let [.., source, _, _, _, _, _] = self.take::<14>(frame)?;
                if source & 0x80 != 0 {
                    let [length] = self.peek::<1>(frame)?;
                    self.skip(frame, usize::from(length & 0x1f))?;
                }
                Ok(Next::Llc)
            }
            Layout::Fddi => {
                self.skip(frame, 13)?;
                Ok(Next::Llc)
            }
            // The direction, then 15 bytes of a compressed header or of nothing.
            Layout::Slip => {
                let [direction, ..] = self.take::<16>(frame)?;
                self.direction = Some(outgoing(direction != 0));
                Ok(Next::AnyIp)
            }
            Layout::FibreChannel => {
                self.skip(frame, 16)?;
                Ok(Next::Llc)
            }
            Layout::ArcnetLinux => self.arcnet(frame),
            Layout::Firewire => {
                self.skip(frame, 16)?;
                self.ether_type_next(frame)
            }
            Layout::Infiniband => {
                self.skip(frame, 40)?;
                let [t0, t1, _, _] = self.take(frame)?;
                Ok(Next::Type(u16::from_be_bytes([t0, t1])))
            }
            Layout::Enc => {
                let [f0, f1, f2, f3, ..] = self.take::<12>(frame)?;
                address_family(u32::from_be_bytes([f0, f1, f2, f3]))
            }
            Layout::Pflog => self.pflog(frame),
            Layout::Nflog => self.nflog(frame),
            Layout::Pktap => self.pktap(frame),
            Layout::Ipnet => self.ipnet(frame),
            Layout::Erf => self.erf(frame),
            Layout::Wlan | Layout::Radiotap | Layout::Prism | Layout::Avs => self.wireless(frame, layout),
            Layout::Ppi => {
                let [_, _, l0, l1, d0, d1, d2, d3] = self.peek(frame)?;
                self.skip(frame, u16::from_le_bytes([l0, l1]).into())?;
                self.inner(frame, u32::from_le_bytes([d0, d1, d2, d3]))
            }
            _ => Err(Reason::LinkType),
        }
    }

    /// Passes a header of the link type `number`, named by the header before it.
    fn inner(&mut self, frame: &[u8], number: u32) -> Result<Next, Reason> {
        match LinkType(number).layout() {
            None | Some(Layout::Ppi | Layout::Pktap) => Err(Reason::NotIp(Unread::LinkType(number))),
            Some(layout) => self.link(frame, layout),
        }
    }

    fn ether_type_next(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        Ok(Next::Type(u16::from_be_bytes(self.take(frame)?)))
    }

    /// Passes a byte that is 0 for received frames, and sets the direction.
    fn sent_byte(&mut self, frame: &[u8]) -> Result<(), Reason> {
        let [direction] = self.take(frame)?;
        self.direction = Some(outgoing(direction != 0));
        Ok(())
    }

    fn linux_cooked_1(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [t0, t1, .., p0, p1] = self.take::<16>(frame)?;
        self.direction = packet_type(u16::from_be_bytes([t0, t1]));
        Ok(self.cooked(frame, u16::from_be_bytes([p0, p1])))
    }

    fn linux_cooked_2(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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

    /// PPP or Cisco HDLC; the address shows which.
    fn ppp_or_hdlc(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        match self.peek::<2>(frame)? {
            [0x0f | 0x8f, 0] => {
                self.skip(frame, 2)?;
                self.ether_type_next(frame)
            }
            _ => Ok(Next::Ppp),
        }
    }

    /// An address whose last byte is odd (ITU-T Q.922), then RFC 2427, or an EtherType in Cisco's format.
    fn frame_relay(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let address = self.rest(frame).iter().take(4).position(|byte| byte & 1 == 1).ok_or(Reason::Malformed)?;
        self.skip(frame, address + 1)?;
        match self.peek::<2>(frame)? {
            [3, nlpid] => {
                self.skip(frame, 2)?;
                let nlpid = if nlpid == 0 { self.take::<1>(frame)?[0] } else { nlpid };
                match nlpid {
                    0xcc => Ok(Next::Ip(Family::V4)),
                    0x8e => Ok(Next::Ip(Family::V6)),
                    0xcf => Ok(Next::Ppp),
                    // SNAP: an identifier of three bytes, then the protocol.
                    0x80 => match self.take::<5>(frame)? {
                        [0, 0, 0, t0, t1] => Ok(Next::Type(u16::from_be_bytes([t0, t1]))),
                        [0, 0x80, 0xc2, 0, 1 | 7] => Ok(Next::Ethernet),
                        _ => Err(Reason::NotIp(Unread::NoPacket)),
                    },
                    _ => Err(Reason::NotIp(Unread::NoPacket)),
                }
            }
            _ => self.ether_type_next(frame),
        }
    }

    /// Source, destination, two bytes of Linux's own, the protocol, and for newer protocols a sequence number (RFC
    /// 1201).
    fn arcnet(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [_, _, _, _, kind] = self.take(frame)?;
        match kind {
            240 => Ok(Next::Ip(Family::V4)),
            212 | 196 => {
                self.skip(frame, 3)?;
                Ok(Next::AnyIp)
            }
            _ => Err(Reason::NotIp(Unread::NoPacket)),
        }
    }

    /// OpenBSD's `struct pfloghdr`: its length without padding, the address family …, the direction.
    fn pflog(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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
    fn nflog(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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
    fn pktap(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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
    fn ipnet(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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
    fn erf(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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

/// Returns the family of a BSD loopback header. AF_INET is 2 everywhere; AF_INET6 differs from system to system. All
/// are below 256, which reveals numbers in the other byte order.
fn address_family(number: u32) -> Result<Next, Reason> {
    match if number > 0xffff { number.swap_bytes() } else { number } {
        2 => Ok(Next::Ip(Family::V4)),
        // Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
        10 | 24 | 28 | 30 => Ok(Next::Ip(Family::V6)),
        other => Err(Reason::NotIp(Unread::Family(other))),
    }
}

/// Returns the direction from Linux's `skb->pkt_type`: 4 is outgoing; everything else came in, whether for this host or
/// another.
fn packet_type(number: u16) -> Option<Direction> {
    const PACKET_OUTGOING: u16 = 4;
    Some(outgoing(number == PACKET_OUTGOING))
}

fn outgoing(is: bool) -> Direction {
    if is { Direction::Out } else { Direction::In }
}
