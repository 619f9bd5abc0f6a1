//! Frames of every shape, read by the code that the kernel programs run.

use std::{vec, vec::Vec};

use super::{fast_path::Linear, *};
use crate::{Address, mapped};

mod icmp_quotes;
mod shapes;

/// A frame in memory. Like the verifier it lets nothing be read in place that was not found to be there.
pub(super) struct Bytes {
    bytes: Vec<u8>,
    /// Where the network header begins: behind an Ethernet header, or at once.
    network: usize,
    /// Bytes of the linear part; the others lie elsewhere.
    linear: usize,
    /// EtherType by which the kernel took it.
    protocol: u16,
    /// How many bytes `holds` has found.
    checked: core::cell::Cell<usize>,
}

impl Bytes {
    /// On a device with Ethernet.
    pub(super) fn ethernet(protocol: u16, packet: &[u8]) -> Self {
        let mut bytes = vec![0x02; 12];
        bytes.extend(protocol.to_be_bytes());
        bytes.extend(packet);
        let linear = bytes.len();
        Self { bytes, network: 14, linear, protocol, checked: 0.into() }
    }

    /// On a device without a link layer's header.
    pub(super) fn bare(protocol: u16, packet: &[u8]) -> Self {
        Self { bytes: packet.to_vec(), network: 0, linear: packet.len(), protocol, checked: 0.into() }
    }

    /// This frame with only so many bytes in the linear part.
    pub(super) fn with_linear(self, linear: usize) -> Self {
        Self { linear, ..self }
    }

    /// This frame with the end cut off.
    pub(super) fn cut(mut self, len: usize) -> Self {
        self.bytes.truncate(len);
        self.linear = self.linear.min(len);
        self
    }

    fn slice(&self, from: usize, len: usize, end: usize) -> Option<&[u8]> {
        self.bytes.get(..end)?.get(from..from.checked_add(len)?)
    }

    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        assert!(at + N <= self.checked.get(), "{at} was read, {} bytes were found to be there", self.checked.get());
        self.bytes[at..at + N].try_into().expect("as long")
    }
}

impl Frame for Bytes {
    fn protocol(&self) -> u16 {
        self.protocol.to_be()
    }

    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("frames are short")
    }

    unsafe fn copy_linear(&self, offset: u32, to: *mut u8, len: u32) -> bool {
        let Some(from) = self.slice(self.network + offset as usize, len as usize, self.linear) else { return false };
        // SAFETY: the caller's promise.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        true
    }

    unsafe fn copy_any(&self, offset: u32, to: *mut u8, len: u32) -> bool {
        let Some(from) = self.slice(offset as usize, len as usize, self.bytes.len()) else { return false };
        // SAFETY: as above.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        true
    }
}

impl Linear for Bytes {
    fn holds(&self, bytes: usize) -> bool {
        let holds = bytes <= self.linear;
        if holds {
            self.checked.set(self.checked.get().max(bytes));
        }
        holds
    }

    fn byte<const AT: usize>(&self) -> u8 {
        u8::from_ne_bytes(self.at(AT))
    }

    fn half<const AT: usize>(&self) -> u16 {
        u16::from_ne_bytes(self.at(AT))
    }

    fn word<const AT: usize>(&self) -> u32 {
        u32::from_ne_bytes(self.at(AT))
    }
}

/// A SYN with 4 bytes of options and no data, from port 40000 to port 443.
pub(super) const TCP: [u8; 24] = [
    0x9c, 0x40, 0x01, 0xbb, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0xab, 0xcd, 0, 0, 2, 4, 5, 0xb4,
];

pub(super) const V4: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 7]];
pub(super) const V6: [[u8; 16]; 2] = [
    [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6],
];

/// An IPv4 datagram with these options and this fragment field.
pub(super) fn ipv4(protocol: u8, options: &[u8], fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = vec![0x40 | u8::try_from(header / 4).expect("at most 60 bytes"), 0];
    packet.extend(u16::try_from(header + payload.len()).expect("short").to_be_bytes());
    packet.extend([0, 7]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(V4.as_flattened());
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// An IPv6 datagram whose payload begins with `next`.
pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(V6.as_flattened());
    packet.extend(payload);
    packet
}

pub(super) fn v4_ends() -> (Address, Address) {
    let [src, dst] = V4.map(|octets| mapped(u32::from_ne_bytes(octets)));
    (src, dst)
}

pub(super) fn v6_ends() -> (Address, Address) {
    let [src, dst] = V6.map(zerocopy_address);
    (src, dst)
}

fn zerocopy_address(octets: [u8; 16]) -> Address {
    zerocopy::transmute!(octets)
}

/// Returns the headers that the slow path finds: the IP header, and the TCP header where there is one.
pub(super) fn walk(frame: &impl Frame) -> Result<(Ip, Option<TcpHeader>), Skip> {
    let (family, offset) = network(frame)?;
    let ip = ip(frame, family, offset)?;
    let tcp = if ip.protocol == IPPROTO_TCP { Some(load(frame, ip.transport)?) } else { None };
    Ok((ip, tcp))
}

/// The fast way either finds what the slow one finds, or nothing.
#[track_caller]
pub(super) fn both(frame: &Bytes) -> Result<(Ip, Option<TcpHeader>), Skip> {
    let slow = walk(frame);
    if let Some((ip, tcp)) = fast_path::headers(frame) {
        assert_eq!(slow, Ok((ip, Some(tcp))), "both ways find the same");
    }
    slow
}

pub(super) fn is_fast(frame: &Bytes) -> bool {
    fast_path::headers(frame).is_some()
}
