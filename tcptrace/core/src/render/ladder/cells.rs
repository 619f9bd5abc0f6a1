//! Text of a row's cells, in order of importance: the layout decides how much of it is shown.

mod arrows;

use std::borrow::Cow;

use anstyle::Style;

pub(super) use self::arrows::flag_words;
use super::{
    glyphs::Drawing,
    open_block::{End, Process},
    row::{Row, StateRow},
    rows::LeftOut,
    styled_text::Styled,
};
use crate::{
    event::{HintName, Role},
    output_record::HintOutput,
    render::palette,
    text::HumanDuration,
    verdict::Each,
};

/// Content of a row.
#[derive(Debug)]
pub(super) enum Cells {
    /// A socket changed its state.
    State {
        side: Role,
        change: Styled,
        /// Notes beside the change, towards the other end.
        notes: Vec<Note>,
    },
    /// A segment or an ICMP error passed from one end to the other, or was to do so.
    Arrow(Arrow),
    /// Interrupted lifelines.
    Dots { side: Option<Role>, words: Styled },
}

/// A note about a state change.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) whole: Styled,
    /// A shorter form for narrow terminals.
    pub(super) short: Option<Styled>,
}

/// A segment or an ICMP error.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) from: Role,
    /// True if it was sent from between the ends.
    pub(super) from_between: bool,
    /// True if it does not arrive.
    pub(super) stopped: bool,
    pub(super) style: Style,
    /// Label of the arrow.
    pub(super) label: Cow<'static, str>,
    /// Details, shown on the arrow if there is room and beside it otherwise.
    pub(super) more: Vec<String>,
    /// Sequence number, shown only in blocks that have room for it on every arrow.
    pub(super) number: Option<String>,
    /// Notes beside the arrow, one piece each.
    pub(super) details: Styled,
}

/// Builds the cells of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wording<'a> {
    pub(super) drawing: Drawing,
    /// The ends, as in the heading.
    pub(super) ends: &'a Each<End>,
}

impl Wording<'_> {
    /// Returns the cells of an event.
    pub(super) fn row(&self, row: &Row) -> Cells {
        match row {
            Row::State(entry) => self.state(entry),
            Row::Segment(entry) => Cells::Arrow(self.segment(entry)),
            Row::Icmp(entry) => Cells::Arrow(self.icmp(entry)),
            Row::Hint(entry) => self.hint(entry),
            Row::Drop(entry) => Cells::Arrow(self.dropped(entry)),
        }
    }

    /// Returns the cells of omitted rows.
    pub(super) fn left_out(&self, left_out: LeftOut) -> Cells {
        let more = self.drawing.symbols().more;
        let what = match (left_out.count, left_out.segments == left_out.count) {
            (1, true) => "segment",
            (_, true) => "segments",
            (1, false) => "event",
            (_, false) => "events",
        };
        let words = format!("{more} {} {what} more {more}", left_out.count);
        Cells::Dots { side: Some(Role::Client), words: Styled::new(Style::new().dimmed(), words) }
    }

    fn state(&self, entry: &StateRow) -> Cells {
        let side = self.ends.role_of(&entry.local);
        let mut change = Styled::default();
        if entry.old == entry.new {
            // The kernel traces close() after shutdown() as a change from a state to itself.
            change.plain("close() in ").push(palette::STATE, entry.new.name());
        } else {
            change.push(palette::STATE, entry.old.name()).plain(" ").plain(self.drawing.symbols().arrow).plain(" ");
            change.push(palette::STATE, entry.new.name());
        }
        Cells::State { side, change, notes: self.notes(entry, side) }
    }

    fn hint(&self, entry: &HintOutput) -> Cells {
        let mut change = Styled::default();
        if entry.name == HintName::SendReset {
            change.plain("resets: ");
        }
        match entry.value {
            _ if entry.name == HintName::AcceptQueue && !entry.queue_full => {
                change.plain("accept queue not full any more")
            }
            _ if entry.name == HintName::SynQueue && !entry.queue_full => change.plain("SYN queue not full any more"),
            _ if entry.name == HintName::SynQueue => change.push(palette::TROUBLE, "SYN queue full"),
            _ if entry.name == HintName::DeferAccept => change.plain("waits for data"),
            _ if entry.name == HintName::NatExpired => change.push(palette::TROUBLE, "NAT entry expired"),
            _ if entry.name == HintName::NatDeleted => change.push(palette::TROUBLE, "NAT entry deleted"),
            _ if entry.queue_full => change.push(palette::TROUBLE, "accept queue full"),
            Some(reason) => change.push(palette::TROUBLE, reason.to_string()),
            None => &mut change,
        };
        Cells::State { side: self.ends.role_of(&entry.local), change, notes: Vec::new() }
    }

    fn notes(&self, entry: &StateRow, side: Role) -> Vec<Note> {
        let quiet = Style::new().dimmed();
        let note = |style, text: String| Note { whole: Styled::new(style, text), short: None };
        let named = self.ends.end(side).process;
        let process = Process::known(entry.pid, entry.comm).filter(|process| Some(*process) != named);

        let mut notes = Vec::new();
        notes.extend(entry.error.map(|error| note(palette::TROUBLE, error.to_string())));
        notes.extend(process.map(|process| note(Style::new(), format!("by {}", process_text(&process, entry.tid)))));
        notes.extend(entry.continues_as.map(|state| Note {
            whole: Styled::new(quiet, format!("goes on as {state}")),
            short: Some(Styled::new(quiet, format!("as {state}"))),
        }));
        notes.extend(entry.old_state_ns.map(HumanDuration).map(|time| Note {
            whole: Styled::new(quiet, format!("{time} in {}", entry.old)),
            // The state's name is beside it anyway.
            short: Some(Styled::new(quiet, time.to_string())),
        }));
        notes
    }
}

/// Formats a process as the heading does, with the thread ID if that differs.
pub(in crate::render) fn process_text(process: &Process, tid: Option<u32>) -> String {
    let mut text = process.comm.map(|comm| comm.to_string()).unwrap_or_default();
    if let Some(pid) = process.pid {
        text += &match tid.filter(|&tid| tid != pid) {
            Some(tid) => format!("[{pid}/{tid}]"),
            None => format!("[{pid}]"),
        };
    }
    text
}
