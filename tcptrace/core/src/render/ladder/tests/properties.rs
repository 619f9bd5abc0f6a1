//! Properties that hold for any events in any order.

use proptest::{collection::vec, prelude::*, sample::select};
use unicode_width::UnicodeWidthChar as _;

use super::*;
use crate::{
    output_record::{DropOutput, EvictedOutput, IcmpOutput, SegmentOutput, Stamp, StateOutput},
    render::samples,
    text::{WallTime, is_unsafe},
    verdict::{Outcome, Turn},
};

/// Any record about one of a few connections, so that several meet in one.
fn any_entry() -> impl Strategy<Value = OutputRecord> {
    let conn = 1..5u64;
    prop_oneof![
        4 => (samples::any_segment(), conn.clone()).prop_map(|(entry, conn)| OutputRecord::Segment(SegmentOutput { conn, ..entry })),
        4 => (samples::any_state(), conn.clone()).prop_map(|(entry, conn)| {
            let conn = entry.conn.map(|_| conn);
            OutputRecord::State(StateOutput { conn, ..entry })
        }),
        1 => (conn.clone(), any::<bool>())
            .prop_map(|(conn, late)| OutputRecord::Icmp(IcmpOutput { conn, late, ..samples::icmp() })),
        1 => (conn.clone(), any::<bool>())
            .prop_map(|(conn, late)| OutputRecord::Drop(DropOutput { conn: Some(conn), late, ..samples::dropped() })),
        1 => conn.clone().prop_map(|conn| OutputRecord::Evicted(EvictedOutput { conn, ..samples::evicted() })),
        2 => (conn.clone(), select(vec![Turn::Client, Turn::Server, Turn::Network])).prop_map(|(conn, turn)| {
            let mut entry = samples::stalled();
            (entry.record.conn, entry.record.turn) = (conn, Some(turn));
            OutputRecord::Stalled(entry)
        }),
        1 => Just(OutputRecord::Lost(samples::lost())),
        1 => (conn.clone(), any::<bool>()).prop_map(|(conn, established)| {
            let mut entry = samples::handshake();
            entry.record.conn = conn;
            if established {
                entry.record.outcome = Some(Outcome::Established);
            }
            OutputRecord::Handshake(entry)
        }),
        1 => conn.prop_map(|conn| {
            let mut entry = samples::close();
            entry.record.conn = conn;
            OutputRecord::Close(entry)
        }),
    ]
}

fn drawn(entries: &[OutputRecord], drawing: Drawing, width: usize) -> String {
    let mut ladder = Ladder::new(drawing, move || width);
    let mut out = Vec::new();
    for entry in entries {
        ladder.render(entry, &mut out);
    }
    ladder.render(&OutputRecord::End(samples::end()), &mut out);
    assert_eq!(ladder.open_blocks(), 0, "nothing is left");
    String::from_utf8(out).unwrap()
}

/// Returns true for lines of a block: only single lines may be wider than the terminal.
fn in_block(line: &str) -> bool {
    !line.contains(" -- ") && !line.contains(" listener ") && !line.contains(" late: ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_row_is_wider_than_the_terminal_and_nothing_acts_on_it(
        entries in vec(any_entry(), 0..120),
        width in 60usize..200,
        unicode: bool,
    ) {
        let text = drawn(&entries, Drawing { unicode, ..PLAIN }, width);
        prop_assert!(unicode || !text.contains(['│', '─', '▶', '◀', '→', '…']), "{text}");
        for line in text.lines() {
            let columns: usize = line.chars().map(|character| character.width().unwrap_or(0)).sum();
            prop_assert!(!in_block(line) || columns <= width, "{columns} columns: {line:?}");
            prop_assert!(!line.chars().any(is_unsafe), "{line:?}");
        }
    }

    #[test]
    fn connections_never_mix(steps in vec((1..6u64, any::<u16>(), 0..400_000_000u64), 1..200)) {
        let mut ladder = Ladder::new(PLAIN, || 120);
        let (mut out, mut now, mut shown) = (Vec::new(), 0, false);
        for (conn, flags, pause) in steps {
            now += pause;
            let stamp = Stamp { time: WallTime(0), boot_ns: Some(now) };
            // The sequence number identifies the row's connection.
            let seq = u32::try_from(conn).unwrap() * 1_000_003;
            let client = samples::endpoint([10, 0, 0, 1], u16::try_from(conn).unwrap());
            let flags = crate::tcp::TcpFlags(flags & 0x1f | 0x2);
            let entry = SegmentOutput { stamp, conn, src: client, seq, flags, ..samples::segment() };
            ladder.render(&OutputRecord::Segment(entry), &mut out);
            if pause % 5 == 0 {
                let mut stalled = samples::stalled();
                stalled.record.conn = conn;
                stalled.record.nat = None;
                ladder.render(&OutputRecord::Stalled(stalled), &mut out);
                shown = true;
            }
        }
        let text = String::from_utf8(out).unwrap();
        prop_assert_eq!(text.contains("seq "), shown);
        for block in text.split("\n\n").filter(|block| block.starts_with('#')) {
            let conn: u32 = block[1..].split(' ').next().unwrap().parse().unwrap();
            for row in block.lines().filter(|row| row.contains("seq ")) {
                prop_assert!(row.contains(&format!("seq {}", conn * 1_000_003)), "{row:?} in\n{block}");
            }
        }
    }

    #[test]
    fn colours_change_nothing_else(entries in vec(any_entry(), 0..40)) {
        let plain = drawn(&entries, PLAIN, 100);
        let colourful = drawn(&entries, Drawing { color: true, ..PLAIN }, 100);
        let mut parts = colourful.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        let without = parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest));
        prop_assert_eq!(without, plain);
    }
}
