//! The characters of a ladder, by the capabilities of the reader's terminal.

use jiff::tz::TimeZone;

/// Options of the drawing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drawing {
    /// True if colours are used.
    pub color: bool,
    /// True if sequence numbers stay absolute after the handshake.
    pub absolute_seq: bool,
    /// True if the reader's terminal shows more than ASCII.
    pub unicode: bool,
    /// The reader's time zone.
    pub zone: &'static TimeZone,
}

/// The characters that a ladder is made of.
#[derive(Debug)]
pub(in crate::render) struct Symbols {
    /// Lifeline of an end.
    pub(super) lifeline: &'static str,
    /// Lifeline while more is to come, or where rows are omitted.
    pub(super) dotted: &'static str,
    /// The client's lifeline at the start of a segment.
    pub(super) from_client: &'static str,
    /// The server's lifeline at the start of a segment.
    pub(super) from_server: &'static str,
    pub(super) dash: &'static str,
    /// Arrow head of a segment that arrives at the server.
    pub(super) to_server: &'static str,
    /// Arrow head of a segment that arrives at the client.
    pub(super) to_client: &'static str,
    /// Head of the arrow of a segment that does not arrive.
    pub(super) stopped: &'static str,
    /// Separator between one state and the next, or between client and server.
    pub(in crate::render) arrow: &'static str,
    /// Mark for omitted text.
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
    stopped: "✗",
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
    stopped: "x",
    arrow: "->",
    more: "...",
};

impl Drawing {
    pub(in crate::render) const fn symbols(self) -> &'static Symbols {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}
