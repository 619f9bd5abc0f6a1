//! Bytes of frames and of files.

use crate::decode::capture::bytes::Order;

pub(super) const CLIENT4: [u8; 4] = [192, 0, 2, 1];
pub(super) const SERVER4: [u8; 4] = [198, 51, 100, 7];
pub(super) const CLIENT6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(super) const SERVER6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// MSS, SACK permitted, timestamps, no operation, window scale.
pub(super) const OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];

/// Concatenates parts of bytes.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A header with options, followed by `payload` bytes.
pub(super) fn tcp(flags: u8, options: &[u8], payload: usize) -> Vec<u8> {
    let offset = ((20 + options.len()) / 4) as u8;
    let fixed = [0xc0, 0, 0, 80, 0, 0, 0x10, 1, 0, 0, 0x20, 2, offset << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0];
    join(&[&fixed, options, &vec![b'x'; payload]])
}

/// A SYN of 49152 → 80 with sequence number 4097.
pub(super) fn syn() -> Vec<u8> {
    tcp(2, &OPTIONS, 0)
}

pub(super) fn ipv4(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = (20 + options.len() + payload.len()) as u16;
    let [t0, t1] = total.to_be_bytes();
    let first = 0x45 + (options.len() / 4) as u8;
    let fixed = [first, 0, t0, t1, 0, 1, 0x40, 0, 64, protocol, 0, 0];
    join(&[&fixed, &CLIENT4, &SERVER4, options, payload])
}

/// `extensions` are whole headers; `next` is the protocol of the first, or of the payload.
pub(super) fn ipv6(next: u8, extensions: &[u8], payload: &[u8]) -> Vec<u8> {
    let [l0, l1] = ((extensions.len() + payload.len()) as u16).to_be_bytes();
    join(&[&[0x60, 0, 0, 0, l0, l1, next, 64], &CLIENT6, &SERVER6, extensions, payload])
}

pub(super) fn ethernet(protocol: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &protocol.to_be_bytes(), payload])
}

/// The SYN in IPv4 in Ethernet.
pub(super) fn frame() -> Vec<u8> {
    ethernet(0x0800, &ipv4(6, &[], &syn()))
}

/// A file under construction.
pub(super) struct Writer {
    order: Order,
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    /// Creates a pcap file with this header. `magic` determines the unit of fractions of seconds, and the variant.
    pub(super) fn pcap(order: Order, magic: u32, link_type: u32) -> Self {
        let mut file = Self { order, bytes: Vec::new() };
        file.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(262_144).u32(link_type);
        file
    }

    /// Creates a pcapng file with one section.
    pub(super) fn pcapng(order: Order) -> Self {
        let mut file = Self { order, bytes: Vec::new() };
        file.section(order);
        file
    }

    pub(super) fn u16(&mut self, number: u16) -> &mut Self {
        let bytes = if self.order == Order::Big { number.to_be_bytes() } else { number.to_le_bytes() };
        self.raw(&bytes)
    }

    pub(super) fn u32(&mut self, number: u32) -> &mut Self {
        let bytes = if self.order == Order::Big { number.to_be_bytes() } else { number.to_le_bytes() };
        self.raw(&bytes)
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A record of a pcap file of which `cut` bytes were not captured.
    pub(super) fn record(&mut self, time: (u32, u32), frame: &[u8], cut: usize) -> &mut Self {
        let captured = frame.len() - cut;
        self.u32(time.0).u32(time.1).u32(captured as u32).u32(frame.len() as u32).raw(&frame[..captured])
    }

    /// A block of a pcapng file.
    pub(super) fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self { order: self.order, bytes: Vec::new() };
        body(&mut inner);
        inner.pad();
        let length = inner.bytes.len() as u32 + 12;
        self.u32(kind).u32(length).raw(&inner.bytes).u32(length)
    }

    fn pad(&mut self) -> &mut Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn section(&mut self, order: Order) -> &mut Self {
        self.order = order;
        self.block(0x0a0d_0d0a, |body| {
            body.u32(0x1a2b_3c4d).u16(1).u16(0).raw(&[0xff; 8]).option(4, b"test").u32(0);
        })
    }

    pub(super) fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        self.u16(code).u16(value.len() as u16).raw(value).pad()
    }

    /// An option of 64 bits.
    pub(super) fn option_u64(&mut self, code: u16, value: u64) -> &mut Self {
        let bytes = if self.order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.option(code, &bytes)
    }

    pub(super) fn interface(&mut self, link_type: u16, options: impl FnOnce(&mut Self)) -> &mut Self {
        self.block(1, |body| {
            body.u16(link_type).u16(0).u32(0);
            options(body);
        })
    }

    /// An interface without options: microseconds, no name.
    pub(super) fn plain_interface(&mut self, link_type: u16) -> &mut Self {
        self.interface(link_type, |_| {})
    }

    pub(super) fn enhanced(&mut self, interface: u32, units: u64, frame: &[u8], flags: Option<u32>) -> &mut Self {
        self.block(6, |body| {
            body.u32(interface).packet(units, frame, flags);
        })
    }

    /// A block of the first draft.
    pub(super) fn old(&mut self, interface: u16, units: u64, frame: &[u8], flags: Option<u32>) -> &mut Self {
        self.block(2, |body| {
            body.u16(interface).u16(0xffff).packet(units, frame, flags);
        })
    }

    fn packet(&mut self, units: u64, frame: &[u8], flags: Option<u32>) -> &mut Self {
        self.u32((units >> 32) as u32).u32(units as u32).u32(frame.len() as u32).u32(frame.len() as u32);
        self.raw(frame).pad();
        if let Some(flags) = flags {
            let bytes = if self.order == Order::Big { flags.to_be_bytes() } else { flags.to_le_bytes() };
            self.option(1, b"a comment").option(2, &bytes).u32(0);
        }
        self
    }

    pub(super) fn simple(&mut self, original: u32, frame: &[u8]) -> &mut Self {
        self.block(3, |body| {
            body.u32(original).raw(frame);
        })
    }
}

/// Magic numbers of pcap.
pub(super) const MICROSECONDS: u32 = 0xa1b2_c3d4;
pub(super) const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Records have eight more bytes.
pub(super) const MODIFIED: u32 = 0xa1b2_cd34;

/// A pcap file with one frame.
pub(super) fn one(link_type: u32, frame: &[u8]) -> Vec<u8> {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, link_type);
    file.record((1_700_000_000, 250_000), frame, 0);
    file.bytes
}

/// A file with every kind of record.
pub(super) fn rich(order: Order) -> Vec<u8> {
    let other = if order == Order::Big { Order::Little } else { Order::Big };
    let mut file = Writer::pcapng(order);
    file.interface(1, |options| {
        options.option(2, b"eth0").option(9, &[9]).option_u64(14, 1_000).u32(0);
    });
    file.plain_interface(147).plain_interface(276);
    file.enhanced(0, 5, &frame(), Some(1)).enhanced(1, 6, &frame(), None);
    file.block(0x0bad, |body| {
        body.u32(1).raw(b"something else");
    });
    file.enhanced(2, 7, &super::links::cooked2(0x86dd, 3, 4, &ipv6(6, &[], &syn())), None);
    file.simple(54, &frame()[..54]).old(0, 8, &ethernet(0x0806, &[0; 28]), None);
    file.block(5, |body| {
        body.u32(0).u32(0).u32(0).option_u64(4, 100).option_u64(5, 2).option_u64(7, 1).u32(0);
    });
    file.section(other).plain_interface(101).enhanced(0, 9, &ipv4(6, &[], &tcp(16, &[], 3)), Some(2));
    file.bytes
}
