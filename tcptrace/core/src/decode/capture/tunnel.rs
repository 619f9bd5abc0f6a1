//! Tunnels: from an IP header that carries no TCP to what it carries instead.

use super::{
    ethernet::ETH_P_TEB,
    ip::{Ip, Reason},
    layer::Layer,
    link_type::Layout,
    unread::Unread,
    walk::{Next, Walk},
};
use crate::event::Family;

/// Returns the kind of a datagram that carries packets or parts of them, but none that can be read, by its registered port
/// and the first bytes of `payload`.
fn unread_udp(payload: &[u8], destination: u16, either: impl Fn(u16) -> bool) -> Unread {
    match payload {
        // Versions 2, 4 and 5 of sFlow are in use.
        [0, 0, 0, 2 | 4 | 5, ..] if destination == 6343 => Unread::Sflow,
        // The number of a security association is never 0 (RFC 3948 §2.2); key exchange and keep-alive are short of it.
        [s0, s1, s2, s3, ..] if either(4500) && [s0, s1, s2, s3] != [&0; 4] => Unread::EspInUdp,
        [1..=4, 0, 0, 0, ..] if either(51820) => Unread::WireGuard,
        _ => Unread::Protocol(17),
    }
}

impl Walk {
    /// Returns the headers in the payload of `ip`, an IP header of `family` that ends at [`Walk::offset`].
    pub(super) fn tunnel(&mut self, frame: &[u8], family: Family, ip: &Ip) -> Result<Next, Reason> {
        match ip.protocol {
            4 => {
                self.enter(if family == Family::V4 { Layer::IpIp } else { Layer::FourInSix })?;
                Ok(Next::Ip(Family::V4))
            }
            41 => {
                self.enter(if family == Family::V4 { Layer::SixInFour } else { Layer::SixInSix })?;
                Ok(Next::Ip(Family::V6))
            }
            17 => self.udp(frame),
            47 => self.gre(frame),
            // Version 3 and reserved bits (RFC 3378).
            97 => {
                self.skip(frame, 2)?;
                self.enter(Layer::EtherIp)?;
                Ok(Next::Ethernet)
            }
            137 => Ok(Next::Mpls),
            143 => {
                self.enter(Layer::Srv6)?;
                Ok(Next::Ethernet)
            }
            protocol => Err(Reason::NotTcp(Unread::Protocol(protocol))),
        }
    }

    /// GRE (RFC 2784, RFC 2890), and its version 1 (RFC 2637).
    fn gre(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        const NOT_READ: Reason = Reason::NotTcp(Unread::Protocol(47));
        let [f0, f1, p0, p1] = self.take::<4>(frame)?;
        let (checksum, routing, key, sequence) = (f0 & 0x80 != 0, f0 & 0x40 != 0, f0 & 0x20 != 0, f0 & 0x10 != 0);
        let protocol = u16::from_be_bytes([p0, p1]);
        // Source routes (RFC 1701) are long out of use.
        if routing || f1 & 7 > 1 {
            return Err(NOT_READ);
        }
        let pptp = f1 & 7 == 1;
        if checksum {
            self.skip(frame, 4)?;
        }
        let key = if key { Some(self.take::<4>(frame)?) } else { None };
        if sequence {
            self.skip(frame, 4)?;
        }
        // An acknowledgement number (RFC 2637 §4.1); without a sequence number there is no payload.
        if pptp && f1 & 0x80 != 0 {
            self.skip(frame, 4)?;
        }
        if pptp && !sequence {
            return Err(NOT_READ);
        }
        if pptp && let Some([l0, l1, ..]) = key {
            self.encloses(u16::from_be_bytes([l0, l1]));
        }
        match protocol {
            // ERSPAN: type I has no header of its own, type II one of 8 bytes, type III of 12 and perhaps 8 more.
            0x88be => {
                self.skip(frame, if sequence { 8 } else { 0 })?;
                self.enter(Layer::Erspan)?;
                return Ok(Next::Ethernet);
            }
            0x22eb => {
                let [.., last] = self.take::<12>(frame)?;
                self.skip(frame, if last & 1 == 1 { 8 } else { 0 })?;
                self.enter(Layer::Erspan)?;
                return Ok(Next::Ethernet);
            }
            _ => {}
        }
        // The key of PPTP is a length and a call, which differs by direction.
        self.enter(match key {
            Some(key) if !pptp => Layer::GreKey(u32::from_be_bytes(key)),
            _ => Layer::Gre,
        })?;
        match protocol {
            // WCCP redirects IPv4, and its second version puts four bytes in front (draft-mclaggan-wccp-v2rev1 §4.12.2).
            0x883e => {
                let redirected = self.peek::<1>(frame)?[0] >> 4 != 4;
                self.skip(frame, if redirected { 4 } else { 0 })?;
                Ok(Next::Ip(Family::V4))
            }
            // IEEE 802.11 frames of Aruba's access points: the queue is in the last digits.
            0x8200..=0x83ff => self.wireless(frame, Layout::Wlan),
            _ => Ok(Next::Type(protocol)),
        }
    }

    /// Tunnels in UDP, recognised by their registered ports and the contents of their headers.
    fn udp(&mut self, frame: &[u8]) -> Result<Next, Reason> {
        const NOT_READ: Reason = Reason::NotTcp(Unread::Protocol(17));
        let [s0, s1, d0, d1, l0, l1, ..] = self.peek::<8>(frame).map_err(|_| NOT_READ)?;
        let (source, destination) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        let either = |port| source == port || destination == port;
        let mut inner = *self;
        inner.encloses(u16::from_be_bytes([l0, l1]));
        inner.offset += 8;
        let next = match destination {
            // Linux used 8472 before the port was assigned.
            4789 | 8472 | 4790 => inner.vxlan(frame, destination == 4790)?,
            6081 => inner.geneve(frame)?,
            6635 => Some(Next::Mpls),
            4341 => {
                inner.skip(frame, 8)?;
                inner.enter(Layer::Lisp)?;
                Some(Next::AnyIp)
            }
            _ if either(2152) => inner.gtpu(frame)?,
            _ if either(1701) => inner.l2tp(frame)?,
            _ if either(3544) => inner.teredo(frame)?,
            _ if either(5247) => inner.capwap(frame)?,
            _ => return Err(Reason::NotTcp(unread_udp(inner.rest(frame), destination, either))),
        };
        *self = inner;
        next.ok_or(NOT_READ)
    }

    /// VXLAN (RFC 7348 §5); with `generic`, the header names the next protocol (draft-ietf-nvo3-vxlan-gpe).
    fn vxlan(&mut self, frame: &[u8], generic: bool) -> Result<Option<Next>, Reason> {
        let [flags, _, _, protocol, v0, v1, v2, _] = self.take::<8>(frame)?;
        if flags & 0x08 == 0 {
            return Ok(None);
        }
        self.enter(Layer::Vxlan(u32::from_be_bytes([0, v0, v1, v2])))?;
        Ok(match (generic && flags & 0x04 != 0, protocol) {
            (false, _) | (true, 3) => Some(Next::Ethernet),
            (true, 1) => Some(Next::Ip(Family::V4)),
            (true, 2) => Some(Next::Ip(Family::V6)),
            (true, 4) => Some(Next::Type(0x894f)),
            (true, 5) => Some(Next::Mpls),
            _ => None,
        })
    }

    /// GENEVE (RFC 8926 §3.4).
    fn geneve(&mut self, frame: &[u8]) -> Result<Option<Next>, Reason> {
        let [first, _, p0, p1, v0, v1, v2, _] = self.take::<8>(frame)?;
        if first >> 6 != 0 {
            return Ok(None);
        }
        self.skip(frame, usize::from(first & 0x3f) * 4)?;
        self.enter(Layer::Geneve(u32::from_be_bytes([0, v0, v1, v2])))?;
        Ok(Some(match u16::from_be_bytes([p0, p1]) {
            ETH_P_TEB => Next::Ethernet,
            number => Next::Type(number),
        }))
    }

    /// GTP-U (3GPP TS 29.281 §5): a header, optional fields, extension headers, then a user's IP packet.
    fn gtpu(&mut self, frame: &[u8]) -> Result<Option<Next>, Reason> {
        const EXTENSIONS: usize = 8;
        let [flags, kind, l0, l1, ..] = self.take::<8>(frame)?;
        // Version 1, GTP rather than GTP', a user's packet.
        if flags >> 4 != 3 || kind != 255 {
            return Ok(None);
        }
        self.encloses(u16::from_be_bytes([l0, l1]));
        if flags & 7 != 0 {
            let [.., mut next] = self.take::<4>(frame)?;
            for _ in 0..EXTENSIONS {
                if flags & 4 == 0 || next == 0 {
                    break;
                }
                let [words] = self.peek::<1>(frame)?;
                // In 32-bit words, the last byte of which is the next type.
                let length = usize::from(words) * 4;
                let last = length.checked_sub(1).ok_or(Reason::Malformed)?;
                next = *self.rest(frame).get(last).ok_or(Reason::Ends)?;
                self.skip(frame, length)?;
            }
        }
        self.enter(Layer::Gtpu)?;
        Ok(Some(Next::AnyIp))
    }

    /// L2TPv2 (RFC 2661 §3.1): flags say which fields are present.
    fn l2tp(&mut self, frame: &[u8]) -> Result<Option<Next>, Reason> {
        let [f0, f1, l0, l1] = self.peek::<4>(frame)?;
        let (control, length, sequence, offset) = (f0 & 0x80 != 0, f0 & 0x40 != 0, f0 & 0x08 != 0, f0 & 0x02 != 0);
        if control || f1 & 0xf != 2 {
            return Ok(None);
        }
        if length {
            self.encloses(u16::from_be_bytes([l0, l1]));
        }
        self.skip(frame, 2 + usize::from(length) * 2 + 4 + usize::from(sequence) * 4)?;
        if offset {
            let padding = u16::from_be_bytes(self.take::<2>(frame)?);
            self.skip(frame, padding.into())?;
        }
        self.enter(Layer::L2tp)?;
        Ok(Some(Next::Ppp))
    }

    /// Teredo (RFC 4380 §5.1.1): authentication and origin may precede the IPv6 header.
    fn teredo(&mut self, frame: &[u8]) -> Result<Option<Next>, Reason> {
        if let [0, 1, id, auth] = self.peek::<4>(frame)? {
            self.skip(frame, 13 + usize::from(id) + usize::from(auth))?;
        }
        if self.peek::<2>(frame)? == [0, 0] {
            self.skip(frame, 8)?;
        }
        if self.peek::<1>(frame)?[0] >> 4 != 6 {
            return Ok(None);
        }
        self.enter(Layer::Teredo)?;
        Ok(Some(Next::Ip(Family::V6)))
    }

    /// CAPWAP (RFC 5415 §4.3): a length in 32-bit words. Only frames that are not fragments and, by the T bit, are IEEE
    /// 802.3.
    fn capwap(&mut self, frame: &[u8]) -> Result<Option<Next>, Reason> {
        let [preamble, h1, h2, flags] = self.peek::<4>(frame)?;
        let native = h2 & 1 == 1;
        if preamble != 0 || native || flags & 0x80 != 0 {
            return Ok(None);
        }
        self.skip(frame, usize::from(h1 >> 3) * 4)?;
        self.enter(Layer::Capwap)?;
        Ok(Some(Next::Ethernet))
    }
}
