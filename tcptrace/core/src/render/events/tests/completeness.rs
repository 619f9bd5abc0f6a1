//! Comparison of text and JSON: every field of every record is shown, or its omission is explained here.

mod observations;

use std::collections::BTreeSet;

use serde_json::Value;

use super::PLAIN;
use crate::{
    event::LossSource,
    filter::SegmentChoice,
    output_record::LostOutput,
    render::{Json, events::*, samples},
    tcp::{OptionBytes, TcpOptions},
    text::WallTime,
};

/// Fields that no text shows.
const LEFT_OUT: [(&str, &str); 23] = [
    ("type", "every type has a form of its own"),
    ("boot_ns", "the time of day says the same; this is for programs that compare clocks"),
    ("since_start_ns", "the time of day says the same"),
    ("start.schema", "of the JSON alone"),
    ("start.netns", "long; for programs that read the lines back"),
    ("start.segments", "the segments show which there are"),
    ("start.began_ns", "for programs that put files together"),
    ("start.run", "as that"),
    ("state.netns", "nearly always the same, and long; the connection's number keeps namespaces apart"),
    ("owner.socket", "as in a state"),
    ("owner.netns", "as with states"),
    ("hint.netns", "as with states"),
    ("hint.socket", "as with states"),
    ("drop.netns", "as with states"),
    ("report.netns", "as with states"),
    ("report.acked_bytes", "tells only whether there was progress since the last report"),
    ("report.segment_size", "the sentence about the stall says it where it matters"),
    ("leak.netns", "as with states"),
    ("leak.container.id", "a name says more, where there is one"),
    ("leak.container.pod_uid", "as with the ID"),
    ("state.socket", "the ends and the connection's number tell sockets apart for people"),
    ("segment.socket", "as there"),
    ("icmp.seq", "the connection's number tells which segment is quoted"),
];

/// The fields of the record's JSON with their values. Options count as one field, since they have tests of their own.
fn fields(entry: &OutputRecord) -> Vec<(String, Value)> {
    let mut line = Vec::new();
    Json.render(entry, &mut line);
    let object: Value = serde_json::from_slice(&line).unwrap();
    let mut fields = Vec::new();
    for (key, value) in object.as_object().unwrap() {
        match value.as_object() {
            Some(inner) if key != "options" => {
                fields.extend(inner.iter().map(|(part, value)| (format!("{key}.{part}"), value.clone())));
            }
            _ => fields.push((key.clone(), value.clone())),
        }
    }
    fields
}

/// The text of a record with relative and with absolute sequence numbers.
fn text(entry: &OutputRecord) -> String {
    let mut out = Vec::new();
    for absolute_seq in [false, true] {
        Events { absolute_seq, ..PLAIN }.render(entry, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// Makes each change to `base` in turn, and compares its effects on the JSON and on the text.
fn check<E: Clone>(name: &str, base: &E, wrap: fn(E) -> OutputRecord, changes: &[fn(&mut E)]) {
    let before = wrap(base.clone());
    let (fields_before, text_before) = (fields(&before), text(&before));
    let mut missing: BTreeSet<String> = fields_before.iter().map(|(field, _)| field.clone()).collect();
    for change in changes {
        let mut changed = base.clone();
        change(&mut changed);
        let after = wrap(changed);
        let fields_after = fields(&after);
        // A field that is only sometimes there differs by its absence.
        let differ = fields_before.iter().filter(|field| !fields_after.contains(field));
        let [field] = &differ.map(|(field, _)| field).collect::<Vec<_>>()[..] else {
            panic!("a change to {name} has to change one field: {before:?} {after:?}");
        };
        missing.remove(*field);
        let left_out = is_left_out(name, field);
        assert_eq!(text(&after) == text_before, left_out, "{name}.{field} in the text: {text_before}");
    }
    missing.retain(|field| !is_left_out(name, field));
    assert!(missing.is_empty(), "{name} has fields that this test does not change: {missing:?}");
}

fn is_left_out(name: &str, field: &str) -> bool {
    LEFT_OUT.iter().any(|&(left_out, _)| left_out == field || left_out == format!("{name}.{field}"))
}

#[test]
fn every_field_of_every_entry_is_shown() {
    for entry in samples::all() {
        match entry {
            OutputRecord::Start(entry) => check(
                "start",
                &entry,
                OutputRecord::Start,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.schema = 3,
                    |entry| entry.version = "0.2.0",
                    |entry| entry.hostname = "web8".into(),
                    |entry| entry.kernel = None,
                    |entry| entry.netns = None,
                    |entry| entry.segments = SegmentChoice::All,
                    |entry| entry.interfaces.push("eth1".into()),
                    |entry| entry.filter = "port 81".into(),
                    |entry| entry.began_ns = Some(1_001),
                    |entry| entry.run = None,
                ],
            ),
            OutputRecord::Existing(entry) => {
                let text = text(&OutputRecord::Existing(entry));
                let lines: Vec<_> =
                    text.lines().take(3).filter_map(|line| line.split_once(' ')).map(|(_, line)| line).collect();
                let group = "--   30 in CLOSE_WAIT: python3[801] and 1 more (cri-o web, pod shop), the oldest for 1 m 33 s at least";
                let expected = [
                    "-- 31 sockets were there when tracing began: 30 in CLOSE_WAIT, 1 in LAST_ACK",
                    group,
                    "--   1 in LAST_ACK: no known process",
                ];
                assert_eq!(lines, expected);
            }
            OutputRecord::Namespace(entry) => check(
                "namespace",
                &entry,
                OutputRecord::Namespace,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.netns = 4,
                    |entry| entry.netns_name = None,
                    |entry| entry.interfaces.push("eth1".into()),
                ],
            ),
            OutputRecord::Report(entry) => observations::report(&entry),
            OutputRecord::Leak(entry) => observations::leak(&entry),
            OutputRecord::State(entry) if entry.remote.is_none() => {
                assert!(text(&OutputRecord::State(entry)).contains(" - listener  "));
            }
            OutputRecord::State(entry) if entry.evidence.is_empty() => {
                assert!(!text(&OutputRecord::State(entry)).contains("evidence"));
            }
            // A field that is present only if true can only be removed.
            OutputRecord::State(entry) if !entry.late => {}
            OutputRecord::Segment(entry) if entry.length > 0 && !entry.late => {}
            OutputRecord::Icmp(entry) if !entry.late => {}
            OutputRecord::Hint(entry) if !entry.late => {}
            OutputRecord::Drop(entry) if !entry.late => {}
            OutputRecord::State(entry) => observations::state(&entry),
            OutputRecord::Segment(entry) if entry.length == 0 => {
                assert!(text(&OutputRecord::Segment(entry)).contains("length 0"));
            }
            OutputRecord::Segment(entry) => observations::segment(&entry),
            OutputRecord::Icmp(entry) => observations::icmp(&entry),
            OutputRecord::Owner(entry) => observations::owner(&entry),
            OutputRecord::Hint(entry) => observations::hint(&entry),
            OutputRecord::Drop(entry) => observations::drop(&entry),
            OutputRecord::Lost(entry) => check(
                "lost",
                &LostOutput { conn: Some(3), ..entry },
                OutputRecord::Lost,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.source = LossSource::Output,
                    |entry| entry.conn = Some(7),
                    |entry| entry.count = 13,
                    |entry| entry.total = 46,
                ],
            ),
            // Their sentences are made of the fields and have tests of their own.
            OutputRecord::Handshake(_) | OutputRecord::Close(_) | OutputRecord::Stalled(_) => {}
            OutputRecord::Evicted(entry) => check(
                "evicted",
                &entry,
                OutputRecord::Evicted,
                &[|entry| entry.stamp.time = WallTime(1), |entry| entry.stamp.boot_ns = None, |entry| entry.conn = 4],
            ),
            OutputRecord::End(entry) => check(
                "end",
                &entry,
                OutputRecord::End,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.connections = 13,
                    |entry| entry.open = 4,
                    |entry| entry.evicted = 3,
                    |entry| entry.events = 1025,
                    |entry| entry.lost = 46,
                    |entry| entry.left_out = Some(8),
                ],
            ),
        }
    }
}

#[test]
fn every_option_is_shown() {
    let options: [&[u8]; 10] = [
        &[],
        &[2, 4, 5, 0xb4],
        &[3, 3, 7],
        &[4, 2],
        &[8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
        &[5, 10, 0, 0, 0, 1, 0, 0, 0, 5],
        &[34, 2],
        &[30, 3, 0x10],
        &[99, 2],
        &[2, 9],
    ];
    let texts: BTreeSet<String> = options
        .iter()
        .map(|bytes| {
            let options = TcpOptions(OptionBytes::new(bytes));
            text(&OutputRecord::Segment(crate::output_record::SegmentOutput { options, ..samples::segment() }))
        })
        .collect();
    assert_eq!(texts.len(), options.len());
}
