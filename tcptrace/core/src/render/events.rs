//! One line of text per event as it happens; segments in tcpdump's notation.

mod lines;
mod segment;
mod sockets;
mod state;

use anstyle::Style;
use jiff::tz::TimeZone;

use super::{Drawing, Render, line_writer::Line, palette};
use crate::{
    output_record::{EndpointOutput, OutputRecord, Stamp},
    text::{Escaped, LocalTime},
};

/// Renders records as lines for human readers.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// True if colours are used.
    pub color: bool,
    /// True if sequence numbers stay absolute after the handshake.
    pub absolute_seq: bool,
    /// True if the reader's terminal shows more than ASCII.
    pub unicode: bool,
    /// The reader's time zone.
    pub zone: &'static TimeZone,
}

/// Draws lines of events with the options of a ladder.
impl From<Drawing> for Events {
    fn from(Drawing { color, absolute_seq, unicode, zone }: Drawing) -> Self {
        Self { color, absolute_seq, unicode, zone }
    }
}

impl Render for Events {
    fn render(&mut self, entry: &OutputRecord, out: &mut Vec<u8>) {
        let line = &mut Line::new(out);
        match entry {
            OutputRecord::Start(start) => self.start(start, line),
            OutputRecord::Existing(existing) => self.existing(existing, line),
            OutputRecord::Namespace(namespace) => self.namespace(namespace, line),
            OutputRecord::State(state) => self.state(state, line),
            OutputRecord::Segment(segment) => self.segment(segment, line),
            OutputRecord::Icmp(icmp) => self.icmp(icmp, line),
            OutputRecord::Owner(owner) => self.owner(owner, line),
            OutputRecord::Hint(hint) => self.hint(hint, line),
            OutputRecord::Drop(dropped) => self.dropped(dropped, line),
            OutputRecord::Lost(lost) => self.lost(lost, line),
            OutputRecord::Handshake(handshake) => {
                self.verdict(&handshake.stamp, handshake.record.conn, &handshake.record.summary, line);
            }
            OutputRecord::Close(close) => self.verdict(&close.stamp, close.record.conn, &close.record.summary, line),
            OutputRecord::Report(report) => self.report(report, line),
            OutputRecord::Stalled(stalled) => {
                self.stalled(&stalled.stamp, &stalled.record, line);
            }
            OutputRecord::Evicted(evicted) => self.evicted(evicted, line),
            OutputRecord::Leak(leak) => self.leak(leak, line),
            OutputRecord::End(end) => self.end(end, line),
        }
        line.raw("\n");
    }
}

impl Events {
    /// Writes the beginning of every line.
    fn time(&self, stamp: &Stamp, line: &mut Line<'_>) {
        self.look(palette::TIME, line, |line| line.raw(LocalTime { time: stamp.time, zone: self.zone }.text()));
        line.raw(" ");
    }

    /// Writes the number of the connection.
    fn conn(&self, conn: u64, line: &mut Line<'_>) {
        self.look(palette::of_conn(conn), line, |line| line.raw("#").long_number(conn));
        line.raw(" ");
    }

    /// Writes the number of the connection, if there is one.
    fn conn_if_any(&self, conn: Option<u64>, line: &mut Line<'_>) {
        match conn {
            Some(conn) => self.conn(conn, line),
            None => {
                line.raw("- ");
            }
        }
    }

    fn arrow(&self) -> &'static str {
        if self.unicode { " → " } else { " -> " }
    }

    /// Writes text in a style, if colours are used.
    fn look<'a, 'b>(
        &self,
        style: Style,
        line: &'a mut Line<'b>,
        write: impl for<'c> FnOnce(&'c mut Line<'b>) -> &'c mut Line<'b>,
    ) -> &'a mut Line<'b> {
        if self.color {
            line.display(style.render());
            write(line);
            line.display(style.render_reset())
        } else {
            write(line);
            line
        }
    }
}

impl Line<'_> {
    /// Writes an endpoint in tcpdump's notation, with a dot before the port.
    fn dotted(&mut self, EndpointOutput { addr, port }: &EndpointOutput) -> &mut Self {
        self.address(*addr).raw(".");
        match *port {
            Some(port) => self.number(port),
            None => self.raw("?"),
        }
    }

    /// Writes the mark of late events.
    fn late_mark(&mut self, late: bool) -> &mut Self {
        self.raw(if late { " (late)" } else { "" })
    }

    /// Writes text from outside, escaped.
    fn escaped(&mut self, text: &str) -> &mut Self {
        if text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\') {
            self.raw(text)
        } else {
            self.display(Escaped(text.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests;
