//! Records of JSON lines, and files that cannot be read to their end.

mod properties;

use std::io::{Cursor, Read};

use super::{error::RecordingError, lines::MAX_LINE_LEN, *};
use crate::{
    decode::capture::{self, Capture},
    event::{Direction, Proof, Segment},
    output_record::{OutputRecord, SegmentOutput, Stamp, StateOutput},
    render::{Json, Render as _, samples},
    tcp::{TcpFlags, TcpState},
    text::{Errno, WallTime},
};

/// The lines of these entries.
fn lines(entries: &[OutputRecord]) -> String {
    let mut out = Vec::new();
    for entry in entries {
        Json.render(entry, &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn read(bytes: impl AsRef<[u8]>) -> (Vec<Record>, Option<RecordingError>, Counters) {
    read_from(Cursor::new(bytes.as_ref()))
}

fn read_from(reader: impl Read) -> (Vec<Record>, Option<RecordingError>, Counters) {
    let Ok(Capture::Json(input)) = capture::open(reader) else { panic!("it begins with an object") };
    let mut recording = Recording::new(input);
    let (mut records, mut error) = (Vec::new(), None);
    for record in recording.by_ref() {
        match record {
            Ok(record) => records.push(record),
            Err(last) => error = Some(last),
        }
    }
    (records, error, recording.counters())
}

/// Returns the error of a file that cannot be read to its end, and the number of records before it.
fn refused(text: &str) -> (usize, String) {
    let (records, error, _) = read(text);
    (records.len(), error.expect("it cannot be read").to_string())
}

fn start() -> String {
    lines(&[OutputRecord::Start(samples::start())])
}

#[test]
fn one_of_every_type() {
    let (records, error, counters) = read(lines(&samples::all()));
    assert!(error.is_none(), "{error:?}");
    let [Record::Start(start), events @ .., Record::End(end)] = &records[..] else { panic!("{records:?}") };
    assert_eq!((start.hostname.as_str(), start.kernel.as_deref()), ("web7", Some("6.18.5")));
    assert_eq!(
        (start.netns, start.segments, start.filter.as_str()),
        (Some(4_026_531_840), SegmentChoice::Control, "port 80")
    );
    assert!(!start.goes_on && !start.capture);
    assert_eq!((end.at, end.wall), (BootTime(9_876_543_210), samples::stamp().time));
    assert_eq!(start.run.as_deref(), Some("6f5902ac-2370-4a4d-9e0a-7c5d0a1e8f21"));
    let namespaces: Vec<_> = events.iter().filter(|record| matches!(record, Record::Namespace(_))).collect();
    let namespace = Namespace {
        moment: Moment { at: end.at, wall: end.wall },
        netns: 4_026_532_177,
        name: Some("blue".into()),
        interfaces: vec!["lo".to_owned(), "veth0".to_owned()],
    };
    assert_eq!(namespaces, [&Record::Namespace(namespace)]);
    assert_eq!(events.len(), 18, "neither verdicts nor what else follows from the events");
    let expected = Counters { bytes: counters.bytes, lines: 25, events: 16, verdicts: 5, unknown: 0, backwards: 0 };
    assert_eq!(counters, expected);
}

#[test]
fn nothing_that_decides_is_left_out() {
    let state = StateOutput {
        error: Some(Errno(104)),
        evidence: Proof { linger: true, unread: true, ..Proof::default() },
        new: TcpState::Close,
        ..samples::state()
    };
    let (records, ..) =
        read(start() + &lines(&[OutputRecord::State(state), OutputRecord::Segment(samples::data_segment())]));
    let [_, Record::Event(Recorded { event: Event::State(state), .. }), Record::Event(segment)] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((state.error, state.proof), (Some(104), Proof { linger: true, unread: true, ..Proof::default() }));
    assert_eq!(state.task.map(|task| (task.pid, task.tid)), Some((6980, 6980)));
    let Event::Segment(segment) = segment.event else { panic!("{segment:?}") };
    assert_eq!(segment.socket, Some(state.socket), "the same number");
    assert_eq!((segment.direction, segment.segments, segment.ifindex), (Some(Direction::Out), 10, 1));
    assert_eq!((segment.header.ack.0, segment.header.urgent, segment.length), (1_721_825_044, 5, 14480));
}

#[test]
fn no_error_and_an_unknown_one_are_told_apart_by_the_namespace() {
    let (records, ..) = read(
        start() + &lines(&[samples::state(), StateOutput { netns: None, ..samples::state() }].map(OutputRecord::State)),
    );
    let errors: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Event(Recorded { event: Event::State(change), .. }) => Some(change.error),
            _ => None,
        })
        .collect();
    assert_eq!(errors, [Some(0), None]);
}

#[test]
fn a_segment_without_a_socket_and_one_whose_socket_has_no_number() {
    let socket = |socket| OutputRecord::Segment(SegmentOutput { socket, ..samples::segment() });
    let (records, ..) = read(start() + &lines(&[socket(None), socket(Some(None)), socket(Some(Some(9)))]));
    let sockets: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Event(Recorded { event: Event::Segment(segment), .. }) => Some(segment.socket.map(|key| key.0)),
            _ => None,
        })
        .collect();
    assert_eq!(sockets, [None, Some(u64::MAX), Some(9)]);
}

#[test]
fn types_and_fields_of_the_future_are_passed_over() {
    let text = start()
        + "{\"type\":\"rumour\",\"conn\":1,\"pid\":[7]}\n\n{\"new\":1, \"type\" : \"guess\"}\r\n"
        + &lines(&[OutputRecord::End(samples::end())]).replace("\"type\"", "\"added\":{\"a\":[1]},\"type\"");
    let (records, error, counters) = read(text);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((records.len(), counters.unknown, counters.lines), (2, 2, 5));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, before, says) in [
        (lines(&[OutputRecord::State(samples::state())]), 0, "line 1 is not a start record"),
        ("{}\n".to_owned(), 0, "line 1 is malformed at byte 2: missing field `type`"),
        ("\n{\"type\":7}\n".to_owned(), 0, "line 2 is malformed at byte 9: invalid type: integer `7`"),
        (
            start().replace("\"schema\":2", "\"schema\":3"),
            0,
            "line 1 begins a recording of schema 3, and this build reads schema 1 to 2",
        ),
        (start().replace("\"schema\":2,", ""), 0, "missing field `schema`"),
        (start() + "[1]\n", 1, "line 2 is malformed at byte 1: it is not a JSON object"),
        (start() + "hello\n", 1, "line 2 is malformed at byte 1: it is not a JSON object"),
        (start() + "{\"type\":\"state\"}\n", 1, "line 2 is malformed at byte 16: missing field `time`"),
        (start() + "{\"type\":\"close\",\"conn\":}\n", 1, "line 2 is malformed at byte 24: expected value"),
        (
            start() + &lines(&[OutputRecord::State(samples::state())]).replace("SYN_SENT", "ASLEEP"),
            1,
            "invalid value: string \"ASLEEP\", expected the state of a socket",
        ),
        (
            start()
                + &lines(&[OutputRecord::State(samples::state())])
                    .replace("\"boot_ns\":9876543210", "\"boot_ns\":null"),
            1,
            "boot_ns is null, but not in the start record",
        ),
        (
            start()
                + &lines(&[OutputRecord::State(samples::state())]).replace("\"time\":\"", "\"time\":null,\"was\":\""),
            1,
            "time is null, but boot_ns is a number",
        ),
        (
            start() + &lines(&[OutputRecord::End(samples::end()), OutputRecord::State(samples::state())]),
            2,
            "line 3 is malformed at byte 1: it comes after the end record",
        ),
        (
            start() + "{\"type\":\"" + &"x".repeat(MAX_LINE_LEN),
            1,
            "line 2 is malformed: it has more than 1048576 bytes",
        ),
    ] {
        let (records, message) = refused(&text);
        assert_eq!(records, before, "{message}");
        assert!(message.contains(says), "{message} does not say: {says}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn an_unfinished_line_is_cut_off_and_a_line_without_a_newline_is_not() {
    let text = start() + &lines(&[OutputRecord::Segment(samples::segment())]);
    let (records, error, _) = read(text.trim_end());
    assert!(error.is_none() && records.len() == 2, "{error:?}");
    let (records, message) = refused(&text[..text.len() - 2]);
    let whole = format!("cut off in the middle of line 2 (complete lines before it: 1, in {} bytes)", start().len());
    assert!(records == 1 && message.contains(&whole), "{message}");
}

#[test]
fn another_start_goes_on_where_it_is_the_same_host_later() {
    let later = |change: fn(&mut crate::output_record::StartOutput)| {
        let mut start = samples::start();
        change(&mut start);
        OutputRecord::Start(start)
    };
    let goes_on = |between: &[OutputRecord], second: OutputRecord| {
        let (records, error, _) = read(start() + &lines(between) + &lines(&[second]));
        assert!(error.is_none(), "{error:?}");
        matches!(records.last(), Some(Record::Start(start)) if start.goes_on)
    };
    let state = OutputRecord::State(samples::state());
    let one = std::slice::from_ref;
    assert!(goes_on(one(&state), later(|_| {})));
    assert!(goes_on(one(&state), later(|start| start.stamp.boot_ns = Some(u64::MAX))));
    assert!(!goes_on(one(&state), later(|start| start.stamp.boot_ns = Some(1))));
    assert!(!goes_on(one(&state), later(|start| start.stamp.boot_ns = None)));
    assert!(!goes_on(one(&state), later(|start| start.hostname = "web8".to_owned())));
    assert!(!goes_on(one(&state), later(|start| start.netns = Some(7))));
    // A run that was killed has no end.
    assert!(!goes_on(one(&state), later(|start| start.began_ns = Some(1_001))));
    assert!(!goes_on(&[state, OutputRecord::End(samples::end())], later(|_| {})));
}

#[test]
fn what_is_much_older_is_counted_unless_it_waited_in_the_kernel() {
    let at = |boot_ns, new| {
        let mut state = samples::state();
        state.stamp.boot_ns = Some(boot_ns);
        OutputRecord::State(StateOutput { new, ..state })
    };
    let count = |older| read(start() + &lines(&[at(20_000_000_000, TcpState::CloseWait), older])).2.backwards;
    assert_eq!(count(at(19_999_000_000, TcpState::LastAck)), 0);
    assert_eq!(count(at(15_000_000_000, TcpState::LastAck)), 1);
    assert_eq!(count(at(15_000_000_000, TcpState::SynSent)), 0);
}

#[test]
fn a_recording_of_a_capture_has_the_times_of_the_wall_clock() {
    let text = lines(&samples::all()).replace("\"boot_ns\":9876543210", "\"boot_ns\":null");
    let (records, error, _) = read(text);
    assert!(error.is_none(), "{error:?}");
    let wall = samples::stamp().time;
    let at = BootTime(u64::try_from(wall.0).unwrap());
    assert!(matches!(&records[0], Record::Start(start) if start.capture));
    for record in &records[1..] {
        match record {
            Record::Event(recorded) => assert_eq!((recorded.event.at(), recorded.wall), (at, wall)),
            Record::Existing(existing) => assert_eq!(existing.at, at),
            Record::Namespace(namespace) => assert_eq!(namespace.moment, Moment { at, wall }),
            record => assert_eq!(*record, Record::End(Moment { at, wall })),
        }
    }
}
