//! Holds the text to the JSON: every field of every entry is shown, or its omission is explained here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::PLAIN;
use crate::{
    event::{
        AcceptQueue, Counters, Direction, Exit, HintName, KernelName, LossSource, OwnerSource, Role, SegmentNote,
        reset_reason::ResetReason,
    },
    filter::SegmentChoice,
    output_record::{LostOutput, StateOutput},
    render::{Json, events::*, samples},
    tcp::{OptionBytes, TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
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

/// The fields of the entry's JSON with their values; options, whose text is their own affair, are one field.
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

/// The entry in both ways to show sequence numbers.
fn text(entry: &OutputRecord) -> String {
    let mut out = Vec::new();
    for absolute_seq in [false, true] {
        Events { absolute_seq, ..PLAIN }.render(entry, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// Makes each change to `base` in turn, and looks at what it changes in the JSON and in the text.
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

fn counters(entry: &mut StateOutput) -> &mut Counters {
    entry.counters.get_or_insert_default()
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
            OutputRecord::Report(entry) => check(
                "report",
                &entry,
                OutputRecord::Report,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = 4,
                    |entry| entry.netns = None,
                    |entry| entry.state = TcpState::LastAck,
                    |entry| entry.local.addr = [127, 0, 0, 2].into(),
                    |entry| entry.local.port = Some(1),
                    |entry| entry.remote.addr = [127, 0, 0, 2].into(),
                    |entry| entry.remote.port = Some(1),
                    |entry| entry.unaccepted = true,
                    |entry| entry.unacked_bytes = 1,
                    |entry| entry.acked_bytes = None,
                    |entry| entry.retransmissions = 1,
                    |entry| entry.window_closed = true,
                    |entry| entry.segment_size = None,
                    |entry| entry.stuck_ns = 0,
                    |entry| entry.since_start_ns = 1,
                ],
            ),
            OutputRecord::Leak(entry) => check(
                "leak",
                &entry,
                OutputRecord::Leak,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = None,
                    |entry| entry.netns = None,
                    |entry| entry.state = TcpState::LastAck,
                    |entry| entry.local.addr = [127, 0, 0, 2].into(),
                    |entry| entry.local.port = Some(1),
                    |entry| entry.remote.addr = [127, 0, 0, 2].into(),
                    |entry| entry.remote.port = Some(1),
                    |entry| entry.processes.truncate(1),
                    |entry| entry.container.as_mut().expect("a container").id.clear(),
                    |entry| entry.container.as_mut().expect("a container").name = None,
                    |entry| entry.container.as_mut().expect("a container").runtime = None,
                    |entry| entry.container.as_mut().expect("a container").pod = None,
                    |entry| entry.container.as_mut().expect("a container").pod_uid = None,
                    |entry| entry.age_ns = Some(1_000_000),
                    |entry| entry.age_at_least_ns = None,
                    |entry| entry.unread_bytes = None,
                    |entry| entry.unacked_bytes = None,
                ],
            ),
            OutputRecord::State(entry) if entry.remote.is_none() => {
                assert!(text(&OutputRecord::State(entry)).contains(" - listener  "));
            }
            OutputRecord::State(entry) if entry.evidence.is_empty() => {
                assert!(!text(&OutputRecord::State(entry)).contains("evidence"));
            }
            // A field that is there only if true can only be removed.
            OutputRecord::State(entry) if !entry.late => {}
            OutputRecord::Segment(entry) if entry.length > 0 && !entry.late => {}
            OutputRecord::Icmp(entry) if !entry.late => {}
            OutputRecord::Hint(entry) if !entry.late => {}
            OutputRecord::Drop(entry) if !entry.late => {}
            OutputRecord::State(entry) => check(
                "state",
                &entry,
                OutputRecord::State,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = Some(2),
                    |entry| entry.netns = None,
                    |entry| entry.socket = 78,
                    |entry| entry.old = TcpState::SynRecv,
                    |entry| entry.new = TcpState::CloseWait,
                    |entry| entry.local.addr = [127, 0, 0, 2].into(),
                    |entry| entry.local.port = None,
                    |entry| entry.remote = Some(samples::endpoint([127, 0, 0, 2], 9502)),
                    |entry| entry.remote = Some(samples::endpoint([127, 0, 0, 1], 9503)),
                    |entry| entry.role = Some(Role::Server),
                    |entry| entry.error = Some(Errno(111)),
                    |entry| entry.evidence.linger = false,
                    |entry| entry.evidence.unread = false,
                    |entry| entry.evidence.unaccepted = false,
                    |entry| entry.pid = Some(6981),
                    |entry| entry.tid = Some(6981),
                    |entry| entry.comm = Some(samples::comm("wget")),
                    |entry| entry.thread = Some(samples::comm("pool")),
                    |entry| entry.exit = Some(Exit { signal: None, code: Some(4) }),
                    |entry| entry.uid = Some(7),
                    |entry| entry.exit = Some(Exit { signal: Some(9), code: Some(3) }),
                    |entry| counters(entry).idle_ns = None,
                    |entry| counters(entry).unread_bytes = Some(0),
                    |entry| counters(entry).unsent_bytes = Some(1),
                    |entry| counters(entry).smoothed_rtt_ns = None,
                    |entry| counters(entry).min_rtt_ns = None,
                    |entry| counters(entry).retransmissions = Some(3),
                    |entry| counters(entry).peer_window = Some(7),
                    |entry| entry.old_state_ns = None,
                    |entry| entry.since_start_ns = None,
                    |entry| entry.continues_as = None,
                    |entry| entry.late = false,
                ],
            ),
            OutputRecord::Segment(entry) if entry.length == 0 => {
                assert!(text(&OutputRecord::Segment(entry)).contains("length 0"));
            }
            OutputRecord::Segment(entry) => check(
                "segment",
                &entry,
                OutputRecord::Segment,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = 2,
                    |entry| entry.interface = "eth0".into(),
                    |entry| entry.direction = Some(Direction::In),
                    |entry| entry.socket = Some(None),
                    |entry| entry.src.addr = [127, 0, 0, 2].into(),
                    |entry| entry.src.port = Some(1),
                    |entry| entry.dst.addr = [127, 0, 0, 2].into(),
                    |entry| entry.dst.port = None,
                    |entry| entry.flags = TcpFlags::ACK,
                    |entry| entry.ace = Some(3),
                    |entry| entry.synack_ecn = None,
                    |entry| entry.seq += 1,
                    |entry| entry.ack = Some(1),
                    |entry| entry.rel_seq += 1,
                    |entry| entry.rel_ack = Some(2),
                    |entry| entry.window = 1,
                    |entry| entry.urgent = Some(6),
                    |entry| entry.length = 1,
                    |entry| entry.gso_segments = Some(2),
                    |entry| entry.since_start_ns = Some(1),
                    |entry| entry.retransmission = false,
                    |entry| entry.late = false,
                    |entry| entry.note = Some(SegmentNote::KeepAlive),
                    |entry| entry.options = TcpOptions(OptionBytes::new(&samples::SYN_OPTIONS)),
                ],
            ),
            OutputRecord::Icmp(entry) => check(
                "icmp",
                &entry,
                OutputRecord::Icmp,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = 2,
                    |entry| entry.interface = "lo".into(),
                    |entry| entry.direction = None,
                    |entry| entry.from = [10, 0, 0, 1].into(),
                    |entry| entry.kind = "port unreachable",
                    |entry| entry.icmp_type = 4,
                    |entry| entry.icmp_code = 4,
                    |entry| entry.src.addr = [127, 0, 0, 2].into(),
                    |entry| entry.src.port = Some(1),
                    |entry| entry.dst.addr = [127, 0, 0, 2].into(),
                    |entry| entry.dst.port = None,
                    |entry| entry.seq += 1,
                    |entry| entry.since_start_ns = Some(1),
                    |entry| entry.late = false,
                ],
            ),
            OutputRecord::Owner(entry) => check(
                "owner",
                &entry,
                OutputRecord::Owner,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = None,
                    |entry| entry.socket = None,
                    |entry| entry.netns = None,
                    |entry| entry.local.addr = [127, 0, 0, 2].into(),
                    |entry| entry.local.port = Some(1),
                    |entry| entry.remote = Some(samples::endpoint([127, 0, 0, 2], 54762)),
                    |entry| entry.remote = Some(samples::endpoint([10, 0, 0, 1], 9502)),
                    |entry| entry.pid = Some(802),
                    |entry| entry.comm = Some(samples::comm("other")),
                    |entry| entry.source = OwnerSource::Listener,
                ],
            ),
            OutputRecord::Hint(entry) => check(
                "hint",
                &entry,
                OutputRecord::Hint,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = None,
                    |entry| entry.netns = None,
                    |entry| entry.socket = None,
                    |entry| entry.name = HintName::RetransmitSynack,
                    |entry| entry.name = HintName::DeferAccept,
                    |entry| entry.value = Some(ResetReason::NoSocket),
                    |entry| entry.state = Some(TcpState::TimeWait),
                    |entry| entry.local.addr = [127, 0, 0, 2].into(),
                    |entry| entry.local.port = Some(1),
                    |entry| entry.remote.addr = [127, 0, 0, 2].into(),
                    |entry| entry.remote.port = Some(1),
                    |entry| entry.queue_full = false,
                    |entry| entry.queue = Some(AcceptQueue { length: 130, limit: 128 }),
                    |entry| entry.queue = Some(AcceptQueue { length: 129, limit: 1 }),
                    |entry| entry.since_start_ns = None,
                    |entry| entry.late = false,
                ],
            ),
            OutputRecord::Drop(entry) => check(
                "drop",
                &entry,
                OutputRecord::Drop,
                &[
                    |entry| entry.stamp.time = WallTime(1),
                    |entry| entry.stamp.boot_ns = None,
                    |entry| entry.conn = None,
                    |entry| entry.netns = None,
                    |entry| entry.interface = None,
                    |entry| entry.src.addr = [127, 0, 0, 2].into(),
                    |entry| entry.src.port = Some(1),
                    |entry| entry.dst.addr = [127, 0, 0, 2].into(),
                    |entry| entry.dst.port = Some(1),
                    |entry| entry.flags = TcpFlags::FIN,
                    |entry| entry.rel_seq = None,
                    |entry| entry.seq = 5,
                    |entry| entry.length = 0,
                    |entry| entry.reason = KernelName::UNKNOWN,
                    |entry| entry.location = None,
                    |entry| entry.since_start_ns = None,
                    |entry| entry.late = false,
                ],
            ),
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
