//! Arrows: segments, dropped segments and ICMP errors.

use std::borrow::Cow;

use anstyle::Style;

use super::{Arrow, Wording};
use crate::{
    event::SegmentNote,
    output_record::{DropOutput, IcmpOutput},
    render::{
        joined,
        ladder::{row::SegmentRow, styled_text::Styled},
        palette,
    },
    tcp::{OptionNotation, SeqNumber, TcpFlags, TcpOption},
    text::{AddressText, Escaped, push_decimal},
};

/// Bytes and pieces of the details beside most arrows: `ack 721203977 win 65483 mss 65495 sackOK ts wscale 10`.
const USUAL_DETAILS: (usize, usize) = (64, 8);

impl Wording<'_> {
    pub(super) fn segment(&self, entry: &SegmentRow) -> Arrow {
        let flags = entry.flags;
        let relative = !self.drawing.absolute_seq && !flags.contains(TcpFlags::SYN);

        let mut more = Vec::new();
        more.extend(entry.retransmission.then(|| "again".to_owned()));
        more.extend(entry.note.map(|note| match note {
            SegmentNote::KeepAlive => "keep-alive probe".to_owned(),
            SegmentNote::KeepAliveAnswer => "answers it".to_owned(),
        }));
        more.extend((entry.length > 0).then(|| format!("{} B", entry.length)));
        let from = self.ends.role_of(&entry.src);
        let style = if entry.retransmission { palette::of_flags(flags).bold() } else { palette::of_flags(flags) };
        Arrow {
            from,
            from_between: false,
            stopped: false,
            style,
            label: flag_words(flags),
            more,
            number: number(entry, relative),
            details: details(entry, relative),
        }
    }

    pub(super) fn dropped(&self, entry: &DropOutput) -> Arrow {
        let relative = entry.rel_seq.filter(|_| !self.drawing.absolute_seq && !entry.flags.contains(TcpFlags::SYN));
        let mut more = vec!["dropped".to_owned()];
        more.extend((entry.length > 0).then(|| format!("{} B", entry.length)));
        let mut details = Styled::new(palette::TROUBLE, entry.reason.to_string());
        if let Some(location) = entry.location {
            details.push_separate(Style::new(), format_args!("in {location}"));
        }
        if let Some(interface) = &entry.interface {
            details.push_separate(Style::new().dimmed(), format_args!("on {}", Escaped(interface.as_bytes())));
        }
        // The row above it shows the number of a SYN, if that was seen.
        details.push_separate(Style::new().dimmed(), sequence(relative.unwrap_or(entry.seq)));
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

    pub(super) fn icmp(&self, entry: &IcmpOutput) -> Arrow {
        let from = self.ends.role_of(&entry.dst);
        let between = entry.from != entry.dst.addr;
        let mut details = Styled::default();
        if between {
            let address = AddressText::new(entry.from);
            details.push_separate(Style::new(), format_args!("from {}", String::from_utf8_lossy(address.as_bytes())));
        }
        let numbers = format_args!("(type {}, code {})", entry.icmp_type, entry.icmp_code);
        details.push_separate(Style::new().dimmed(), numbers);
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

/// Returns the words of a segment's sequence number, or of its range if it has data. Of the segments without data, only
/// those with SYN, FIN or RST show it.
fn number(entry: &SegmentRow, relative: bool) -> Option<String> {
    let seq = if relative { entry.rel_seq } else { entry.seq };
    if entry.length > 0 {
        let mut range = sequence(seq);
        range.push(':');
        push_decimal(&mut range, seq.wrapping_add(entry.length).into());
        Some(range)
    } else if entry.flags.contains(TcpFlags::RST) && entry.seq == 0 {
        // A reset that answers a segment without ACK has no sequence number of its own (RFC 9293 §3.5.2).
        Some("seq 0".to_owned())
    } else {
        entry.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST).then(|| sequence(seq))
    }
}

/// Returns the notes beside a segment's arrow: its passage between hosts, acknowledgement, window and options.
fn details(entry: &SegmentRow, relative: bool) -> Styled {
    let mut details = Styled::with_room(USUAL_DETAILS.0, USUAL_DETAILS.1);
    if let Some(passage) = &entry.passage
        && let Some(words) = joined::passage(passage)
    {
        details.push_separate(if passage.lost { palette::TROUBLE } else { Style::new() }, words);
    }
    if let Some(ack) = if relative { entry.rel_ack } else { entry.ack } {
        details.numbered(Style::new(), "ack", ack.into());
    }
    if let Some(ace) = entry.ace {
        match entry.synack_ecn {
            Some(ecn) => details.push_separate(Style::new(), format_args!("ace {ace} (SYN,ACK {ecn})")),
            None => details.push_separate(Style::new(), format_args!("ace {ace}")),
        }
    }
    if let Some(segments) = entry.gso_segments {
        details.push_separate(Style::new(), format_args!("in {segments} segments"));
    }
    if let Some(urgent) = entry.urgent {
        details.push_separate(Style::new(), format_args!("urg {urgent}"));
    }
    details.numbered(Style::new(), "win", entry.window.into());
    let isn_of_other = entry.ack.zip(entry.rel_ack).map(|(ack, rel_ack)| SeqNumber(ack.wrapping_sub(rel_ack)));
    let relative_to = isn_of_other.filter(|_| relative);
    for option in &entry.options.0 {
        match option {
            TcpOption::Nop | TcpOption::Eol => {}
            // The values are of no interest to a reader; the SYNs show whether timestamps are in use.
            TcpOption::Timestamp(_) if entry.flags.contains(TcpFlags::SYN) => details.push_separate(Style::new(), "ts"),
            TcpOption::Timestamp(_) => {}
            option => {
                let notation = OptionNotation { option, relative_to };
                match words_of_name(&option) {
                    Some(words) => named(&mut details, words, &notation.to_string()),
                    None => details.push_separate(Style::new(), notation),
                }
            }
        }
    }
    details
}

/// Returns the words of a sequence number, with room for a second one.
fn sequence(number: u32) -> String {
    let mut text = String::with_capacity("seq 4294967295:4294967295".len());
    text.push_str("seq ");
    push_decimal(&mut text, number.into());
    text
}

/// Returns the number of words in the name of an option whose fields may take more room than there is; `None` for short
/// options.
fn words_of_name(option: &TcpOption<'_>) -> Option<usize> {
    match option {
        // Includes its length and its subtype.
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
    details.push_separate(Style::new(), name);
    if !fields.is_empty() {
        details.push_separate(Style::new(), fields.trim_start());
    }
}

/// Returns the names of flags.
pub(in crate::render::ladder) fn flag_words(flags: TcpFlags) -> Cow<'static, str> {
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
