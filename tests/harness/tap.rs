//! A tap device: packets written by the test arrive as Ethernet frames.

use std::{
    fs::File,
    io::{IoSlice, Write},
};

use crate::{device, netns::Netns};

/// An Ethernet interface whose other side is the test. Removed on drop.
pub struct Tap {
    file: File,
    mac: [u8; 6],
}

impl Tap {
    /// Creates the device inside `netns`, without addresses, and sets it up.
    #[track_caller]
    pub fn new(netns: &Netns, name: &str) -> Self {
        Self::of_kind(netns, name, libc::IFF_TAP)
    }

    /// Creates a device with fragmented buffers, as many drivers make them: only the first slice sent is in the linear part
    /// of the buffer.
    #[track_caller]
    pub fn with_fragments(netns: &Netns, name: &str) -> Self {
        const IFF_NAPI: libc::c_int = 0x10;
        const IFF_NAPI_FRAGS: libc::c_int = 0x20;
        Self::of_kind(netns, name, libc::IFF_TAP | IFF_NAPI | IFF_NAPI_FRAGS)
    }

    fn of_kind(netns: &Netns, name: &str, kind: libc::c_int) -> Self {
        let file = device::open(netns, name, kind);
        let mac = [0x02, 0, 0, 0, 0, 0x01];
        netns.ip(&["link", "set", name, "address", "02:00:00:00:00:01"]);
        netns.ip(&["link", "set", name, "addrgenmode", "none"]);
        netns.ip(&["link", "set", name, "up"]);
        Self { file, mac }
    }

    /// Makes the kernel receive a frame with these VLAN tags (protocol and number, the outermost first) around `packet`,
    /// which begins with its IP header. The frame is cut into two slices after `linear` bytes.
    #[track_caller]
    pub fn send(&self, tags: &[(u16, u16)], packet: &[u8], linear: usize) {
        let mut frame = [self.mac.as_slice(), &[0x02, 0, 0, 0, 0, 0x02]].concat();
        for (protocol, number) in tags {
            frame.extend(protocol.to_be_bytes());
            frame.extend(number.to_be_bytes());
        }
        frame.extend(if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] });
        frame.extend(packet);
        let (first, rest) = frame.split_at(linear.min(frame.len()));
        let slices = [IoSlice::new(first), IoSlice::new(rest)];
        let written = (&self.file).write_vectored(&slices[..if rest.is_empty() { 1 } else { 2 }]);
        assert_eq!(written.expect("the device takes a frame"), frame.len());
    }
}
