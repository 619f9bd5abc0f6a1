//! Output written as JSON lines and read back leads to the same output, byte for byte.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::{
    CLIENT, SERVER,
    exchange::{Exchange, HERE, State::*},
    hints::reset,
    properties::{STATES, Step, step},
};
use crate::{
    SCHEMA,
    correlate::{Correlated, Correlator, NO_NAMESPACE},
    decode::{
        capture::{self, Capture},
        recording::{Record, Recording},
    },
    describe::Describer,
    event::{AcceptQueue, BootTime, Event, Hint, HintName, Loss, LossSource, Proof, SocketKey},
    filter::SegmentChoice,
    output_record::{EndOutput, OutputRecord, StartOutput},
    render::{Json, Render as _},
    tcp::TcpFlags,
    text::WallTime,
};

/// A clock that is set while events arrive.
pub(super) fn describer() -> Describer {
    let mut describer = Describer::of_recording();
    for (at, wall) in [(0, 1_000_000_000_000), (1_000_000_020, 500_000_000_000), (1_050_000_000, 2_000_000_000_000)] {
        describer.clock.note(BootTime(at), WallTime(wall));
    }
    describer
}

/// Complete JSON lines.
pub(super) fn lines(describer: &mut Describer, placed: &[Correlated], now: BootTime, capture: bool) -> String {
    let start = StartOutput {
        stamp: describer.stamp(BootTime(1)),
        schema: SCHEMA,
        version: "1",
        hostname: "here".to_owned(),
        kernel: None,
        netns: (!capture).then_some(HERE),
        interfaces: Vec::new(),
        segments: SegmentChoice::Control,
        filter: String::new(),
        states_of: None,
        began_ns: (!capture).then_some(1),
        run: None,
    };
    let stamp = describer.stamp(now);
    let end = EndOutput { stamp, connections: 0, open: 0, evicted: 0, events: 0, lost: 0, left_out: None };
    let entries: Vec<_> = placed.iter().map(|placed| describer.entry(placed.clone())).collect();
    let mut out = Vec::new();
    for entry in [OutputRecord::Start(start)].iter().chain(&entries).chain(&[OutputRecord::End(end)]) {
        Json.render(entry, &mut out);
    }
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Returns the lines that result from reading these lines.
fn again(text: &str) -> String {
    let (mut describer, placed, end) = replay(text, NonZeroU32::MAX);
    lines(&mut describer, &placed, end, false)
}

/// Reads JSON lines. Returns the output, the describer for it, and the time of the end.
pub(super) fn replay(text: &str, most: NonZeroU32) -> (Describer, Vec<Correlated>, BootTime) {
    let Ok(Capture::Json(input)) = capture::open(text.as_bytes()) else { panic!("these are JSON lines: {text}") };
    let mut recording = Recording::new(input);
    let mut describer = Describer::of_recording();
    let mut connections = Correlator::recorded(0);
    let (mut placed, mut named, mut end) = (Vec::new(), 0, BootTime(0));
    while let Some(record) = recording.next() {
        for (index, interface) in (1..).zip(recording.interfaces()).skip(named) {
            describer.name_interface(None, index, interface);
            named += 1;
        }
        match record.unwrap_or_else(|error| panic!("{error}: {text}")) {
            Record::Start(start) => {
                if start.capture {
                    describer = Describer::of_capture();
                }
                connections = Correlator::recorded(start.netns.unwrap_or(NO_NAMESPACE));
                connections.limit(most);
                describer.clock.note(start.moment.at, start.moment.wall);
            }
            Record::Existing(_) | Record::Namespace(_) => {}
            Record::Event(recorded) => {
                describer.clock.note(recorded.event.at(), recorded.wall);
                connections.handle_event(&recorded.event, &mut |event| placed.push(event));
            }
            Record::End(moment) => {
                describer.clock.note(moment.at, moment.wall);
                connections.finish(moment.at, &mut |event| placed.push(event));
                end = moment.at;
            }
        }
    }
    (describer, placed, end)
}

#[track_caller]
pub(super) fn check(exchange: &mut Exchange) {
    let now = BootTime(exchange.now());
    let written = lines(&mut describer(), &exchange.finish_all(), now, false);
    let read = again(&written);
    for (written, read) in written.lines().zip(read.lines()) {
        assert_eq!(written, read);
    }
    assert_eq!(written, read);
}

#[test]
fn a_whole_connection() {
    let mut exchange = Exchange::new();
    exchange.with_sockets().local_connection(CLIENT, SERVER);
    check(&mut exchange);
}

#[test]
fn a_port_that_was_waited_for_and_one_that_was_never_learnt() {
    let mut exchange = Exchange::new();
    exchange.full_state(42, 0, SERVER, Close, SynSent);
    exchange.full_segment(Some(SocketKey(42)), CLIENT, SERVER, TcpFlags::SYN, 7, None, 0);
    exchange.full_state(43, 0, SERVER, Close, SynSent);
    exchange.pass(60_000_000);
    exchange.timeout();
    exchange.full_state(43, 0, SERVER, SynSent, Close);
    check(&mut exchange);
}

#[test]
fn a_socket_whose_place_in_memory_became_anothers() {
    let mut exchange = Exchange::new();
    exchange.state(CLIENT, SERVER, Established, FinWait1);
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 100, Some(500), 0);
    let key = u64::from(CLIENT) << 32 | u64::from(HERE);
    // The end of this socket is lost; without that, the connection would be waited for.
    exchange.full_state(key, 1234, SERVER, Close, SynSent);
    exchange.full_state(key, 1234, SERVER, SynSent, Close);
    exchange.full_state(key, 1235, SERVER, Close, SynSent);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 101, Some(501), 0);
    exchange.pass(2_000_000_000);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 2, "the first by its segments, the second by its socket");
    check(&mut exchange);
}

#[test]
fn a_connection_that_is_over_once_its_last_socket_is_anothers() {
    let mut exchange = Exchange::new();
    exchange.full_state(2, 1, 3, Established, Established);
    exchange.full_state(4, 3, 1, Established, Close);
    exchange.owner(1, 3, 8);
    // The other socket's own end is lost. What comes later belongs to the connection, but says nothing new and is not shown.
    exchange.full_state(2, 0, 0, Close, Established);
    exchange.owner(1, 3, 8);
    let totals = exchange.totals();
    assert_eq!((totals.numbered, totals.ended), (2, 1));
    check(&mut exchange);
}

#[test]
fn a_connection_that_ended_long_ago_is_forgotten_at_the_same_moment() {
    let mut exchange = Exchange::new();
    exchange.local_connection(CLIENT, SERVER);
    for _ in 0..62 {
        exchange.pass(1_000_000_000);
        exchange.timeout();
    }
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 1_009, Some(900_020), 0);
    assert_eq!(exchange.totals().numbered, 2);
    check(&mut exchange);
}

#[test]
fn a_deadline_that_passes_while_something_waits() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 100, Some(500), 0);
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 500, Some(101), 0);
    exchange.segment(CLIENT, SERVER, TcpFlags::ACK, 101, Some(501), 0);
    exchange.pass(990_000_000);
    exchange.full_state(42, 0, 1, Close, SynSent);
    // It belongs to the close, and comes after the events that wait.
    exchange.segment(SERVER, CLIENT, TcpFlags::FIN, 500, Some(101), 0);
    exchange.pass(20_000_000);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 0);
    exchange.pass(60_000_000);
    exchange.timeout();
    assert_eq!(exchange.totals().ended, 1);
    check(&mut exchange);
}

#[test]
fn what_a_slow_reader_missed_is_a_gap_in_what_it_got() {
    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, TcpFlags::FIN, 100, Some(500), 0);
    let at = BootTime(exchange.now());
    exchange.event(&Event::Loss(Loss { at, source: LossSource::Output, count: 1, total: 1, placed: false }));
    let written = lines(&mut describer(), &exchange.finish_all(), at, false);
    assert!(!written.contains(r#""lost"]"#), "it was seen here: {written}");
    let read = again(&written);
    assert!(read.contains(r#""lost"]"#), "{read}");
}

fn queue(number: u8) -> Option<AcceptQueue> {
    Some(AcceptQueue { length: u32::from(number) / 4, limit: 3 })
}

proptest! {
    #[test]
    fn anything(
        steps in prop::collection::vec((step(), 0..40_u8), 0..120),
        btf: bool,
    ) {
        let mut exchange = Exchange::new();
        let mut lost = 0;
        if !btf {
            exchange.without_btf();
        }
        for (ifindex, (step, more)) in (1..).zip(&steps) {
            exchange.on_interface(ifindex);
            match *step {
                Step::State { socket, local, remote, old, new } => {
                    exchange.with_proof(Proof { linger: more & 1 != 0, unread: more & 2 != 0, unaccepted: more & 4 != 0, ..Proof::default() });
                    exchange.with_error([0, 0, 103, 104, 110, 111, 113, 4242][usize::from(more >> 2 & 7)]);
                    if more & 4 != 0 {
                        exchange.by(u32::from(*more));
                    }
                    exchange.full_state(socket, local, remote, STATES[old], STATES[new]);
                }
                Step::Segment { socket, src, dst, flags, seq, ack } => {
                    let flags = TcpFlags(flags);
                    let ack = flags.contains(TcpFlags::ACK).then_some(ack);
                    exchange.full_segment(socket.map(SocketKey), src, dst, flags, seq, ack, (*more).into());
                }
                Step::Icmp { src, dst } => exchange.icmp(src, dst),
                Step::Hint { socket, from, to } => {
                    let (at, socket) = (BootTime(exchange.now()), socket.map(SocketKey));
                    let hint = Hint { at, socket, queue_full: more & 1 != 0, ..reset(from, to) };
                    let queue = Hint { name: HintName::AcceptQueue, reason: None, queue: queue(*more), ..hint };
                    exchange.event(&Event::Hint(if more & 2 == 0 { hint } else { queue }));
                }
                Step::Pass(time) if *more == 1 => exchange.listeners_owner((time % 4 + 1) as u16, (time % 2 + 1) as u32, time / 64 % 8, (time % 3 != 0).then_some(7)),
                Step::Pass(time) if *more == 2 => exchange.owner((time % 4 + 1) as u16, (time / 4 % 4 + 1) as u16, 8),
                Step::Pass(_) if *more == 0 => {
                    lost += 2;
                    let (at, total) = (BootTime(exchange.now()), lost);
                    exchange.event(&Event::Loss(Loss { at, source: LossSource::State, count: 2, total, placed: false }));
                }
                Step::Pass(time) => {
                    // Deadlines of every length.
                    exchange.pass(time * u64::from(more % 3 * 30 + 1));
                    exchange.timeout();
                }
            }
        }
        check(&mut exchange);
    }
}
