//! Link-layer headers: from the first byte of a frame to the header after that of its link layer.

use super::{
    ip::Reason,
    link_type::{Layout, LinkType},
    unread::Unread,
    walk::{Next, Walk},
};
use crate::event::{Direction, Family};

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
    pub(super) fn inner(&mut self, frame: &[u8], number: u32) -> Result<Next, Reason> {
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

    /// PPP or Cisco HDLC; the address shows which.
    pub(super) fn ppp_or_hdlc(&mut self, frame: &[u8]) -> Result<Next, Reason> {
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
}

/// Returns the family of a BSD loopback header. AF_INET is 2 everywhere; AF_INET6 differs from system to system. All
/// are below 256, which reveals numbers in the other byte order.
pub(super) fn address_family(number: u32) -> Result<Next, Reason> {
    match if number > 0xffff { number.swap_bytes() } else { number } {
        2 => Ok(Next::Ip(Family::V4)),
        // Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
        10 | 24 | 28 | 30 => Ok(Next::Ip(Family::V6)),
        other => Err(Reason::NotIp(Unread::Family(other))),
    }
}

/// Returns the direction of a frame that the host sent, or received.
pub(super) fn outgoing(is: bool) -> Direction {
    if is { Direction::Out } else { Direction::In }
}
