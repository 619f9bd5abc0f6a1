//! Segments, the two ends that exchange them, and the order of sequence numbers (RFC 9293 §3.4).

/// One of the two ends. The client is the one that connects first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The end that connects.
    Client = 0,
    /// The end that listens.
    Server = 1,
}

impl Side {
    /// Both, the client first.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// The word that the records use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// FIN.
pub const FIN: u8 = 0x01;
/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;
/// PSH.
pub const PSH: u8 = 0x08;
/// ACK.
pub const ACK: u8 = 0x10;

/// A TCP segment without the payload's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// The end whose address it bears as its source.
    pub from: Side,
    /// Control bits.
    pub flags: u8,
    /// SEG.SEQ
    pub seq: u32,
    /// SEG.ACK, of no meaning without [`ACK`].
    pub ack: u32,
    /// Bytes of payload.
    pub len: u32,
    /// SEG.WND as it is in the header, unscaled.
    pub window: u16,
    /// The shift count of a window scale option (RFC 7323 §2).
    pub scale: Option<u8>,
    /// TSval and TSecr (RFC 7323 §3).
    pub timestamp: Option<(u32, u32)>,
}

impl Segment {
    /// Returns true if all of `flags` are set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// SEG.LEN: payload, SYN and FIN.
    pub const fn space(&self) -> u32 {
        self.len + self.has(SYN) as u32 + self.has(FIN) as u32
    }

    /// The number after the last one it occupies.
    pub const fn end(&self) -> u32 {
        self.seq.wrapping_add(self.space())
    }

    /// Its control bits in tcpdump's letters.
    pub fn letters(&self) -> String {
        let letters = [(FIN, 'F'), (SYN, 'S'), (RST, 'R'), (PSH, 'P'), (ACK, '.')];
        let letters: String = letters.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, letter)| letter).collect();
        if letters.is_empty() { "none".to_owned() } else { letters }
    }
}

/// Returns true if `a` comes before `b`.
pub const fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// Returns true if `low` ≤ `number` ≤ `high` on the circle.
pub const fn within(low: u32, number: u32, high: u32) -> bool {
    number.wrapping_sub(low) <= high.wrapping_sub(low)
}
