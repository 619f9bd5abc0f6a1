//! The characters of a ladder, by what the reader's terminal can show.

use jiff::tz::TimeZone;

/// Options of the drawing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drawing {
    /// Colours are set.
    pub color: bool,
    /// True if sequence numbers are the header's own after the handshake too.
    pub absolute_seq: bool,
    /// True if the reader's terminal shows more than ASCII.
    pub unicode: bool,
    /// The reader's time zone.
    pub zone: &'static TimeZone,
}

/// The characters that a ladder is made of.
#[derive(Debug)]
pub(in crate::render) struct Symbols {
    /// An end's lifeline.
    pub(super) lifeline: &'static str,
    /// The same while more is to come, or where something is left out.
    pub(super) dotted: &'static str,
    /// The client's lifeline where a segment leaves it.
    pub(super) from_client: &'static str,
    /// The server's.
    pub(super) from_server: &'static str,
    pub(super) dash: &'static str,
    /// Arrow head of a segment that arrives at the server.
    pub(super) to_server: &'static str,
    /// Arrow head of a segment that arrives at the client.
    pub(super) to_client: &'static str,
    /// From one state to the next, from the client to the server.
    pub(in crate::render) arrow: &'static str,
    /// Something is left out.
    pub(in crate::render) more: &'static str,
}

const UNICODE: Symbols = Symbols {
    lifeline: "│",
    dotted: "┊",
    from_client: "├",
    from_server: "┤",
    dash: "─",
    to_server: "▶",
    to_client: "◀",
    arrow: "→",
    more: "…",
};

const ASCII: Symbols = Symbols {
    lifeline: "|",
    dotted: ":",
    from_client: "|",
    from_server: "|",
    dash: "-",
    to_server: ">",
    to_client: "<",
    arrow: "->",
    more: "...",
};

impl Drawing {
    pub(in crate::render) const fn symbols(self) -> &'static Symbols {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}
