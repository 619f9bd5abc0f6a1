//! Records shown as a single line: listeners, and events after the end of their connection.

use anstyle::Style;

use super::{
    block::clock,
    cells::{flag_words, process_text},
    glyphs::Drawing,
    heading::endpoint,
    open_block::Process,
    styled_text::Styled,
};
use crate::{
    output_record::{OutputRecord, Stamp, StateOutput},
    render::palette,
};

/// Style of lines shown only for completeness.
const QUIET: Style = Style::new().dimmed();

/// Writes a listener's state change, without the old state: a listener has only two.
pub(super) fn listener(entry: &StateOutput, drawing: Drawing, out: &mut Vec<u8>) {
    let mut line = begun(&entry.stamp, drawing);
    line.push(QUIET, format!("listener {} {}", endpoint(&entry.local), entry.new));
    if let Some(process) = Process::known(entry.pid, entry.comm) {
        line.push(QUIET, format!(" {}", process_text(&process, entry.tid)));
    }
    line.write_line(drawing.color, out);
}

/// Writes an event that follows the last record of its connection.
pub(super) fn late(conn: u64, entry: &OutputRecord, drawing: Drawing, out: &mut Vec<u8>) {
    let arrow = drawing.symbols().arrow;
    let (stamp, text) = match entry {
        OutputRecord::State(state) => {
            (&state.stamp, format!("{} {} {arrow} {}", endpoint(&state.local), state.old, state.new))
        }
        OutputRecord::Segment(segment) => {
            let (from, to, flags) = (endpoint(&segment.src), endpoint(&segment.dst), flag_words(segment.flags));
            let length = if segment.length > 0 { format!(" {} B", segment.length) } else { String::new() };
            let (seq, ack) =
                if drawing.absolute_seq { (segment.seq, segment.ack) } else { (segment.rel_seq, segment.rel_ack) };
            let ack = ack.map_or_else(String::new, |ack| format!(" ack {ack}"));
            (&segment.stamp, format!("{flags}{length} seq {seq}{ack} {from} {arrow} {to}"))
        }
        OutputRecord::Icmp(icmp) => {
            let about = format!("{} {arrow} {}", endpoint(&icmp.src), endpoint(&icmp.dst));
            (&icmp.stamp, format!("ICMP {} from {} about {about}", icmp.kind, icmp.from))
        }
        OutputRecord::Drop(dropped) => {
            let (from, to, flags) = (endpoint(&dropped.src), endpoint(&dropped.dst), flag_words(dropped.flags));
            let seq = if drawing.absolute_seq { dropped.seq } else { dropped.rel_seq.unwrap_or(dropped.seq) };
            (&dropped.stamp, format!("{flags} seq {seq} {from} {arrow} {to} dropped: {}", dropped.reason))
        }
        _ => return,
    };
    let mut line = begun(stamp, drawing);
    line.push(palette::of_conn(conn), format!("#{conn}")).push(QUIET, format!(" late: {text}"));
    line.write_line(drawing.color, out);
}

fn begun(stamp: &Stamp, drawing: Drawing) -> Styled {
    let mut line = Styled::new(palette::TIME, clock(stamp, drawing));
    line.plain(" ");
    line
}
