//! Ethernet and what it carries: VLAN tags, LLC and SNAP, MPLS, PPPoE and PPP, and the tags of switches.

use super::{
    ip::Reason,
    layer::Layer,
    unread::Unread,
    walk::{Next, Walk},
};
use crate::event::Family;

/// Maximum value of a length in a field that holds an EtherType above it (IEEE 802.3 §3.2.6).
const LONGEST_LENGTH: u16 = 1500;

/// Maximum number of MPLS labels of one packet.
const LABELS: usize = 16;

pub(super) const ETH_P_IP: u16 = 0x0800;
pub(super) const ETH_P_IPV6: u16 = 0x86dd;
pub(super) const ETH_P_TEB: u16 = 0x6558;

impl Walk {
    /// Destination, source, and an EtherType or a length.
    pub(super) fn ethernet(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [.., t0, t1] = self.take::<14>(frame)?;
        Ok(Next::Type(u16::from_be_bytes([t0, t1])))
    }

    /// Returns the headers that an EtherType announces.
    pub(super) fn ether_type(&mut self, frame: &[u8], number: u16) -> Result<Next, Reason> {
        match number {
            ETH_P_IP => return Ok(Next::Ip(Family::V4)),
            ETH_P_IPV6 => return Ok(Next::Ip(Family::V6)),
            ..=LONGEST_LENGTH => {
                self.encloses(number);
                return Ok(Next::Llc);
            }
            // IEEE 802.1Q, 802.1ad, and the numbers that were in use before 802.1ad.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                let [v0, v1] = self.take::<2>(frame)?;
                self.enter(Layer::Vlan(u16::from_be_bytes([v0, v1]) & 0x0fff))?;
            }
            0x8847 | 0x8848 => return Ok(Next::Mpls),
            0x8864 => return self.pppoe(frame),
            // PPP in GRE (RFC 2637).
            0x880b => return Ok(Next::Ppp),
            ETH_P_TEB => return Ok(Next::Ethernet),
            // IEEE 802.1ah: priority and flags, service identifier, then a whole frame.
            0x88e7 => {
                let [_, s0, s1, s2] = self.take::<4>(frame)?;
                self.enter(Layer::Pbb(u32::from_be_bytes([0, s0, s1, s2])))?;
                return Ok(Next::Ethernet);
            }
            // Cisco's FabricPath: addresses of switches, and a tag, in front of a whole frame.
            0x8903 => {
                self.skip(frame, 2)?;
                return Ok(Next::Ethernet);
            }
            // Cisco's metadata: version, length, option, security group.
            0x8909 => self.skip(frame, 6)?,
            // Cisco's VN-Tag, IEEE 802.1CB and HSR, IEEE 802.1BR.
            0x8926 | 0x892f => self.skip(frame, 4)?,
            0x893f => self.skip(frame, 6)?,
            // Network service header (RFC 8300): length in 32-bit words, next protocol.
            0x894f => {
                let [_, length, _, next] = self.peek::<4>(frame)?;
                self.skip(frame, usize::from(length & 0x3f) * 4)?;
                return match next {
                    1 => Ok(Next::Ip(Family::V4)),
                    2 => Ok(Next::Ip(Family::V6)),
                    3 => Ok(Next::Ethernet),
                    5 => Ok(Next::Mpls),
                    _ => Err(Reason::NotIp(Unread::EtherType(number))),
                };
            }
            _ => return Err(Reason::NotIp(Unread::EtherType(number))),
        }
        let [t0, t1] = self.take::<2>(frame)?;
        Ok(Next::Type(u16::from_be_bytes([t0, t1])))
    }

    /// IEEE 802.2, followed by SNAP (RFC 1042).
    pub(super) fn llc(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        match self.take::<3>(frame)? {
            [0xaa, 0xaa, 0x03] => {
                let [o0, o1, o2, t0, t1] = self.take::<5>(frame)?;
                let number = u16::from_be_bytes([t0, t1]);
                match ([o0, o1, o2], number) {
                    // RFC 1042; IEEE 802.1H.
                    ([0, 0, 0] | [0, 0, 0xf8], _) if number > LONGEST_LENGTH => Ok(Next::Type(number)),
                    // RFC 2684 §5.2: bridged Ethernet, with two bytes of padding.
                    ([0, 0x80, 0xc2], 1 | 7) => {
                        self.skip(frame, 2)?;
                        Ok(Next::Ethernet)
                    }
                    _ => Err(Reason::NotIp(Unread::EtherType(number))),
                }
            }
            // The service access point of IP (RFC 1010).
            [0x06, 0x06, 0x03] => Ok(Next::Ip(Family::V4)),
            // RFC 2684 §5.1: routed protocols by their NLPID.
            [0xfe, 0xfe, 0x03] => match self.take::<1>(frame)? {
                [0xcc] => Ok(Next::Ip(Family::V4)),
                [0x8e] => Ok(Next::Ip(Family::V6)),
                _ => Err(Reason::NotIp(Unread::Llc(0xfe))),
            },
            [service, ..] => Err(Reason::NotIp(Unread::Llc(service))),
        }
    }

    /// Skips labels to the bottom of the stack (RFC 3032). Nothing says what they carry: IP if it looks like it, as
    /// routers also assume, else Ethernet, after a control word (RFC 4448) if there is one.
    pub(super) fn mpls(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        self.enter(Layer::Mpls)?;
        for _ in 0..LABELS {
            let [_, _, bottom, _] = self.take::<4>(frame)?;
            if bottom & 1 == 0 {
                continue;
            }
            return match self.peek::<1>(frame)?[0] >> 4 {
                4 => Ok(Next::Ip(Family::V4)),
                6 => Ok(Next::Ip(Family::V6)),
                0 if !self.begins_ethernet(frame) => {
                    self.skip(frame, 4)?;
                    Ok(Next::Ethernet)
                }
                _ => Ok(Next::Ethernet),
            };
        }
        Err(Reason::Nested)
    }

    /// Returns true if an EtherType is at its position in an Ethernet header.
    fn begins_ethernet(&self, frame: &[u8]) -> bool {
        let number = self.rest(frame).get(12..14).map(|bytes| matches!(bytes, [0x08, 0] | [0x86, 0xdd] | [0x81, 0]));
        number.unwrap_or(false)
    }

    /// A PPPoE session (RFC 2516 §4): version and type, code, session, length, then PPP.
    pub(super) fn pppoe(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        let [version, code, _, _, l0, l1] = self.take::<6>(frame)?;
        if version != 0x11 || code != 0 {
            return Err(Reason::NotIp(Unread::EtherType(0x8864)));
        }
        self.encloses(u16::from_be_bytes([l0, l1]));
        self.enter(Layer::Pppoe)?;
        Ok(Next::Ppp)
    }

    /// PPP: address and control bytes unless compressed away, then a protocol of one byte or two (RFC 1661 §2, RFC 1662).
    pub(super) fn ppp(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        if self.peek::<2>(frame)? == [0xff, 0x03] {
            self.skip(frame, 2)?;
        }
        let [first] = self.take::<1>(frame)?;
        // The last byte of a protocol number is odd, all others are even.
        let number = if first & 1 == 1 { first.into() } else { u16::from_be_bytes([first, self.take::<1>(frame)?[0]]) };
        match number {
            0x0021 => Ok(Next::Ip(Family::V4)),
            0x0057 => Ok(Next::Ip(Family::V6)),
            0x0281 | 0x0283 => Ok(Next::Mpls),
            // RFC 3518: flags, type of MAC.
            0x0031 => match self.take::<2>(frame)? {
                [_, 1] => Ok(Next::Ethernet),
                _ => Err(Reason::NotIp(Unread::Ppp(number))),
            },
            _ => Err(Reason::NotIp(Unread::Ppp(number))),
        }
    }
}
