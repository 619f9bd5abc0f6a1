//! Segments, by the rules and in the words of tcpdump 4.99, after the connection and the interface.

use super::Events;
use crate::{
    event::{Direction, SegmentNote},
    output_record::SegmentOutput,
    render::{joined, line_writer::Line, palette},
    tcp::{Notation, SeqNumber, TcpFlags},
};

impl Events {
    pub(super) fn segment(&self, entry: &SegmentOutput, line: &mut Line<'_>) {
        // Destructured, so that a new field does not compile before it is shown or deliberately left out.
        let SegmentOutput {
            stamp,
            conn,
            netns: _,
            conn_netns: _,
            interface,
            direction,
            encapsulation,
            // The endpoints distinguish sockets.
            socket: _,
            src,
            dst,
            flags,
            ace,
            synack_ecn,
            seq,
            ack,
            rel_seq,
            rel_ack,
            window,
            urgent,
            length,
            gso_segments,
            note,
            // Redundant with the time of day.
            since_start_ns: _,
            retransmission,
            late,
            options,
            passage,
        } = entry;
        // As in tcpdump, a SYN shows the number that others are relative to; so does a segment without ACK, which may
        // answer nothing that was seen.
        let isn_of_other = match (*ack, *rel_ack) {
            (Some(ack), Some(rel_ack)) if !self.absolute_seq => Some(SeqNumber(ack.wrapping_sub(rel_ack))),
            _ => None,
        };
        let relative = isn_of_other.is_some() && !flags.contains(TcpFlags::SYN);
        let (seq, ack) = if relative { (*rel_seq, *rel_ack) } else { (*seq, *ack) };

        self.time(stamp, line);
        self.conn(*conn, line);
        self.passed(interface, *direction, line);
        for layer in encapsulation.iter().flat_map(|layers| layers.iter()) {
            line.escaped(layer).raw(" ");
        }
        line.raw(if src.addr.is_ipv4() { "IP " } else { "IP6 " });
        line.dotted(src).raw(" > ").dotted(dst).raw(": Flags [");
        self.look(palette::of_flags(*flags), line, |line| line.raw(flags.letters()));
        line.raw("]");
        if let Some(ace) = *ace {
            line.raw(", ace ").number(ace);
        }
        if let Some(ecn) = synack_ecn {
            line.raw(" (SYN,ACK ").display(ecn).raw(")");
        }
        let has_seq = flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
        if *length > 0 || has_seq {
            line.raw(", seq ").number(seq);
        }
        if *length > 0 {
            line.raw(":").number(seq.wrapping_add(*length));
        }
        if let Some(ack) = ack {
            line.raw(", ack ").number(ack);
        }
        line.raw(", win ").number(*window);
        if let Some(urgent) = *urgent {
            line.raw(", urg ").number(urgent);
        }
        if options.0.iter().next().is_some() {
            let notation = Notation { options, relative_to: isn_of_other };
            line.raw(", options [").display(notation).raw("]");
        }
        line.raw(", length ").number(*length);
        if let Some(segments) = *gso_segments {
            line.raw(" (").number(segments).raw(" segments)");
        }
        if let Some(note) = note {
            line.raw(match note {
                SegmentNote::KeepAlive => " (keep-alive probe)",
                SegmentNote::KeepAliveAnswer => " (answers the keep-alive probe)",
            });
        }
        line.raw(if *retransmission { " (retransmission)" } else { "" }).late_mark(*late);
        if let Some(words) = passage.as_deref().and_then(joined::passage) {
            line.raw(" (").raw(&words).raw(")");
        }
    }

    /// Writes the interface and the direction.
    pub(super) fn passed(&self, interface: &str, direction: Option<Direction>, line: &mut Line<'_>) {
        line.escaped(interface).raw(match direction {
            Some(Direction::In) => " in   ",
            Some(Direction::Out) => " out  ",
            None => " ?    ",
        });
    }
}
