//! Text of a row's cells, in order of importance: the layout decides how much of it is shown.

use std::borrow::Cow;

use anstyle::Style;

use super::{
    glyphs::Drawing,
    open_block::{End, Process},
    rows::{LeftOut, Row},
    styled_text::Styled,
};
use crate::{
    event::{HintName, Role, SegmentNote},
    output_record::{DropOutput, HintOutput, IcmpOutput, SegmentOutput, StateOutput},
    render::{joined, palette},
    tcp::{OptionNotation, SeqNumber, TcpFlags, TcpOption},
    text::{AddressText, Escaped, HumanDuration, push_decimal},
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

    fn state(&self, entry: &StateOutput) -> Cells {
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
            _ if entry.name == HintName::DeferAccept => change.plain("waits for data"),
            _ if entry.name == HintName::NatExpired => change.push(palette::TROUBLE, "NAT entry expired"),
            _ if entry.name == HintName::NatDeleted => change.push(palette::TROUBLE, "NAT entry deleted"),
            _ if entry.queue_full => change.push(palette::TROUBLE, "accept queue full"),
            Some(reason) => change.push(palette::TROUBLE, reason.to_string()),
            None => &mut change,
        };
        Cells::State { side: self.ends.role_of(&entry.local), change, notes: Vec::new() }
    }

    fn notes(&self, entry: &StateOutput, side: Role) -> Vec<Note> {
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

    fn segment(&self, entry: &SegmentOutput) -> Arrow {
        let flags = entry.flags;
        let syn = flags.contains(TcpFlags::SYN);
        let relative = !self.drawing.absolute_seq && !syn;
        let (seq, ack) = if relative { (entry.rel_seq, entry.rel_ack) } else { (entry.seq, entry.ack) };

        let mut more = Vec::new();
        more.extend(entry.retransmission.then(|| "again".to_owned()));
        more.extend(entry.note.map(|note| match note {
            SegmentNote::KeepAlive => "keep-alive probe".to_owned(),
            SegmentNote::KeepAliveAnswer => "answers it".to_owned(),
        }));
        more.extend((entry.length > 0).then(|| format!("{} B", entry.length)));
        let number = if entry.length > 0 {
            let mut range = sequence(seq);
            range.push(':');
            push_decimal(&mut range, seq.wrapping_add(entry.length).into());
            Some(range)
        } else if flags.contains(TcpFlags::RST) && entry.seq == 0 {
            // A reset that answers a segment without ACK has no sequence number of its own (RFC 9293 §3.5.2).
            Some("seq 0".to_owned())
        } else {
            flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST).then(|| sequence(seq))
        };

        let mut details = Styled::with_room(USUAL_DETAILS.0, USUAL_DETAILS.1);
        if let Some(passage) = &entry.passage
            && let Some(words) = joined::passage(passage)
        {
            details.apart(if passage.lost { palette::TROUBLE } else { Style::new() }, words);
        }
        if let Some(ack) = ack {
            details.numbered(Style::new(), "ack", ack.into());
        }
        if let Some(ace) = entry.ace {
            match entry.synack_ecn {
                Some(ecn) => details.apart(Style::new(), format_args!("ace {ace} (SYN,ACK {ecn})")),
                None => details.apart(Style::new(), format_args!("ace {ace}")),
            }
        }
        if let Some(segments) = entry.gso_segments {
            details.apart(Style::new(), format_args!("in {segments} segments"));
        }
        if let Some(urgent) = entry.urgent {
            details.apart(Style::new(), format_args!("urg {urgent}"));
        }
        details.numbered(Style::new(), "win", entry.window.into());
        let isn_of_other = entry.ack.zip(entry.rel_ack).map(|(ack, rel_ack)| SeqNumber(ack.wrapping_sub(rel_ack)));
        let relative_to = isn_of_other.filter(|_| relative);
        for option in &entry.options.0 {
            match option {
                TcpOption::Nop | TcpOption::Eol => {}
                // The values are of no interest to a reader; the SYNs show whether timestamps are in use.
                TcpOption::Timestamp(_) if syn => details.apart(Style::new(), "ts"),
                TcpOption::Timestamp(_) => {}
                option => {
                    let notation = OptionNotation { option, relative_to };
                    match words_of_name(&option) {
                        Some(words) => named(&mut details, words, &notation.to_string()),
                        None => details.apart(Style::new(), notation),
                    }
                }
            }
        }
        let from = self.ends.role_of(&entry.src);
        let style = if entry.retransmission { palette::of_flags(flags).bold() } else { palette::of_flags(flags) };
        Arrow { from, from_between: false, stopped: false, style, label: flag_words(flags), more, number, details }
    }

    fn dropped(&self, entry: &DropOutput) -> Arrow {
        let relative = entry.rel_seq.filter(|_| !self.drawing.absolute_seq && !entry.flags.contains(TcpFlags::SYN));
        let mut more = vec!["dropped".to_owned()];
        more.extend((entry.length > 0).then(|| format!("{} B", entry.length)));
        let mut details = Styled::new(palette::TROUBLE, entry.reason.to_string());
        if let Some(location) = entry.location {
            details.apart(Style::new(), format_args!("in {location}"));
        }
        if let Some(interface) = &entry.interface {
            details.apart(Style::new().dimmed(), format_args!("on {}", Escaped(interface.as_bytes())));
        }
        // The row above it shows the number of a SYN, if that was seen.
        details.apart(Style::new().dimmed(), sequence(relative.unwrap_or(entry.seq)));
        Arrow {
            from: self.ends.role_of(&entry.src),
            from_between: false,
            stopped: true,
            style: palette::TROUBLE,
            label: flag_words(entry.flags),
            more,
            number: None,
            details,
        }
    }

    fn icmp(&self, entry: &IcmpOutput) -> Arrow {
        let from = self.ends.role_of(&entry.dst);
        let between = entry.from != entry.dst.addr;
        let mut details = Styled::default();
        if between {
            let address = AddressText::new(entry.from);
            details.apart(Style::new(), format_args!("from {}", String::from_utf8_lossy(address.as_bytes())));
        }
        let numbers = format_args!("(type {}, code {})", entry.icmp_type, entry.icmp_code);
        details.apart(Style::new().dimmed(), numbers);
        Arrow {
            from,
            from_between: between,
            stopped: false,
            style: palette::TROUBLE,
            label: "ICMP".into(),
            more: Vec::new(),
            number: Some(entry.kind.to_owned()),
            details,
        }
    }
}

/// Returns the words of a sequence number, with room for a second one.
fn sequence(number: u32) -> String {
    let mut text = String::with_capacity("seq 4294967295:4294967295".len());
    text.push_str("seq ");
    push_decimal(&mut text, number.into());
    text
}

/// Number of words that name an option whose fields may take more room than there is; `None` for short options.
fn words_of_name(option: &TcpOption<'_>) -> Option<usize> {
    match option {
        // Its length and its subtype.
        TcpOption::Mptcp { .. } => Some(3),
        // "[bad opt]"
        TcpOption::Malformed { .. } => Some(2),
        TcpOption::Md5(_) | TcpOption::TcpAo { .. } | TcpOption::AccurateEcn(_) | TcpOption::Unknown { .. } => Some(1),
        _ => None,
    }
}

/// Adds the name of an option and its fields as two pieces, so that the name is shown where only that fits.
fn named(details: &mut Styled, words: usize, text: &str) {
    let end = text.match_indices(' ').nth(words.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    let (name, fields) = text.split_at_checked(end).unwrap_or((text, ""));
    details.apart(Style::new(), name);
    if !fields.is_empty() {
        details.apart(Style::new(), fields.trim_start());
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

/// Returns the names of flags.
pub(super) fn flag_words(flags: TcpFlags) -> Cow<'static, str> {
    const WORDS: [(TcpFlags, &str); 9] = [
        (TcpFlags::SYN, "SYN"),
        (TcpFlags::FIN, "FIN"),
        (TcpFlags::RST, "RST"),
        (TcpFlags::PSH, "PSH"),
        (TcpFlags::ACK, "ACK"),
        (TcpFlags::URG, "URG"),
        (TcpFlags::ECE, "ECE"),
        (TcpFlags::CWR, "CWR"),
        (TcpFlags::AE, "AE"),
    ];
    // Those of nearly all segments need no allocation.
    let usual = [(TcpFlags::PSH, "PSH,ACK"), (TcpFlags::SYN, "SYN,ACK"), (TcpFlags::FIN, "FIN,ACK")];
    if let Some((_, words)) = usual.into_iter().find(|&(flag, _)| flags == flag | TcpFlags::ACK) {
        return words.into();
    }
    let mut words = WORDS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|&(_, word)| word);
    let Some(first) = words.next() else { return "no flags".into() };
    words.fold(first.into(), |text, word| text + "," + word)
}

/// Bytes and pieces of the details beside most arrows: `ack 721203977 win 65483 mss 65495 sackOK ts wscale 10`.
const USUAL_DETAILS: (usize, usize) = (64, 8);
