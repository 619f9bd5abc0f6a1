//! The lines for single events.

mod completeness;

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::{
    event::{SegmentNote, SynAckEcn},
    output_record::{HintOutput, SegmentOutput, StartOutput, StateOutput},
    render::samples,
    tcp::{OptionBytes, TcpFlags, TcpOptions, TcpState},
    text::{Errno, is_unsafe},
};

const PLAIN: Events = Events { color: false, absolute_seq: false, unicode: true, zone: &TimeZone::UTC };

fn line(mut events: Events, entry: OutputRecord) -> String {
    let mut out = Vec::new();
    events.render(&entry, &mut out);
    String::from_utf8(out).unwrap()
}

/// The line after its time, which depends on the time zone.
fn behind_time(events: Events, entry: OutputRecord) -> String {
    let line = line(events, entry);
    let time = LocalTime { time: samples::stamp().time, zone: PLAIN.zone }.to_string();
    line.strip_prefix(&time).and_then(|line| line.strip_prefix(' ')).expect(&line).trim_end().to_owned()
}

fn segment(events: Events, segment: SegmentOutput) -> String {
    behind_time(events, OutputRecord::Segment(segment))
}

fn state(state: StateOutput) -> String {
    behind_time(PLAIN, OutputRecord::State(state))
}

#[test]
fn a_syn_is_absolute() {
    assert_eq!(
        segment(PLAIN, samples::segment()),
        "#1 lo out  IP 127.0.0.1.39870 > 127.0.0.1.9502: Flags [S], seq 2927179378, win 32792, options [mss \
         16396,sackOK,TS val 255474104 ecr 0,nop,wscale 3], length 0"
    );
    let syn_ack = SegmentOutput {
        flags: TcpFlags::SYN | TcpFlags::ACK,
        ack: Some(2_927_179_379),
        rel_ack: Some(1),
        options: TcpOptions(OptionBytes::EMPTY),
        ..samples::segment()
    };
    assert_eq!(
        segment(PLAIN, syn_ack),
        "#1 lo out  IP 127.0.0.1.39870 > 127.0.0.1.9502: Flags [S.], seq 2927179378, ack 2927179379, win 32792, \
         length 0"
    );
}

#[test]
fn data_is_relative_unless_asked_for() {
    let data = SegmentOutput { note: None, ..samples::data_segment() };
    assert_eq!(
        segment(PLAIN, data.clone()),
        "#1 lo out  IP 127.0.0.1.39870 > 127.0.0.1.9502: Flags [P.], seq 1:14481, ack 1, win 4099, urg 5, length 14480 (10 \
         segments)"
    );
    assert_eq!(
        segment(Events { absolute_seq: true, ..PLAIN }, data),
        "#1 lo out  IP 127.0.0.1.39870 > 127.0.0.1.9502: Flags [P.], seq 2927179379:2927193859, ack 1721825044, win \
         4099, urg 5, length 14480 (10 segments)"
    );
}

#[test]
fn what_is_known_of_a_segment_besides_stands_behind_it() {
    let ack = SegmentOutput { length: 0, gso_segments: None, ..samples::data_segment() };
    let behind = |note| {
        let text = segment(PLAIN, SegmentOutput { note, ..ack.clone() });
        text.split_once(", length 0").expect("a length").1.to_owned()
    };
    assert_eq!(behind(Some(SegmentNote::KeepAlive)), " (keep-alive probe)");
    assert_eq!(behind(Some(SegmentNote::KeepAliveAnswer)), " (answers the keep-alive probe)");
    assert_eq!(behind(None), "");
}

#[test]
fn the_ace_field_is_a_number_and_no_flags() {
    let ack =
        SegmentOutput { flags: TcpFlags::ACK, length: 0, gso_segments: None, note: None, ..samples::data_segment() };
    let counter = segment(PLAIN, SegmentOutput { ace: Some(5), ..ack.clone() });
    assert!(counter.ends_with("Flags [.], ace 5, ack 1, win 4099, urg 5, length 0"), "{counter}");
    let answer = segment(PLAIN, SegmentOutput { ace: Some(3), synack_ecn: Some(SynAckEcn::Ect1), ..ack });
    assert!(answer.ends_with("Flags [.], ace 3 (SYN,ACK ECT(1)), ack 1, win 4099, urg 5, length 0"), "{answer}");
}

#[test]
fn an_ack_shows_no_sequence_number_and_its_sacks_are_relative() {
    let ack = SegmentOutput {
        flags: TcpFlags::ACK,
        length: 0,
        gso_segments: None,
        note: None,
        options: TcpOptions(OptionBytes::new(&[1, 1, 5, 10, 0x66, 0xa0, 0xdc, 0xe6, 0x66, 0xa0, 0xdc, 0xea])),
        ..samples::data_segment()
    };
    let (left, right) = (0x66a0_dce6_u32, 0x66a0_dcea_u32);
    let isn = 1_721_825_043;
    let text = segment(PLAIN, ack.clone());
    let sack = format!("[nop,nop,sack 1 {{{}:{}}}]", left.wrapping_sub(isn), right.wrapping_sub(isn));
    assert!(text.ends_with(&format!("Flags [.], ack 1, win 4099, urg 5, options {sack}, length 0")), "{text}");
    let text = segment(Events { absolute_seq: true, ..PLAIN }, ack);
    assert!(text.contains(&format!("sack 1 {{{left}:{right}}}")), "{text}");
}

#[test]
fn a_reset_without_ack_is_absolute() {
    let reset = SegmentOutput {
        flags: TcpFlags::RST,
        ack: None,
        rel_ack: None,
        length: 0,
        gso_segments: None,
        ..samples::data_segment()
    };
    assert!(segment(PLAIN, reset).contains("Flags [R], seq 2927179379, win"));
}

#[test]
fn version_6_and_an_unknown_direction() {
    let localhost = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16]);
    let (src, dst) = (samples::endpoint(localhost, 39870), samples::endpoint(localhost, None));
    let text =
        segment(PLAIN, SegmentOutput { src, dst, direction: None, interface: "any".into(), ..samples::segment() });
    assert!(text.starts_with("#1 any ?    IP6 ::1.39870 > ::1.?: Flags [S]"), "{text}");
}

#[test]
fn states_tell_who_and_how_long() {
    assert_eq!(
        state(samples::state()),
        "#1 state     127.0.0.1.39870 > 127.0.0.1.9502: SYN_SENT → ESTABLISHED  client curl[6980]  (0.031 ms in \
         SYN_SENT)"
    );
    let refused = StateOutput {
        new: TcpState::Close,
        error: Some(Errno(111)),
        pid: None,
        tid: None,
        comm: None,
        ..samples::state()
    };
    assert_eq!(
        state(refused),
        "#1 state     127.0.0.1.39870 > 127.0.0.1.9502: SYN_SENT → CLOSE  ECONNREFUSED  client  (0.031 ms in SYN_SENT)"
    );
    let threaded = StateOutput {
        tid: Some(6982),
        role: None,
        old_state_ns: None,
        local: samples::endpoint([127, 0, 0, 1], None),
        ..samples::state()
    };
    assert_eq!(state(threaded), "#1 state     127.0.0.1.? > 127.0.0.1.9502: SYN_SENT → ESTABLISHED  curl[6980/6982]");
    let abort = StateOutput { pid: None, tid: None, comm: None, old_state_ns: None, ..samples::abort() };
    assert_eq!(
        state(abort),
        "#1 state     127.0.0.1.39870 > 127.0.0.1.9502: ESTABLISHED → CLOSE  ECONNRESET  evidence: linger, unread, unaccepted  \
         client"
    );
    assert_eq!(state(samples::listener()), "- listener  0.0.0.0.80: CLOSE → LISTEN  nginx[12] thread pool-1");
    let ascii = behind_time(Events { unicode: false, ..PLAIN }, OutputRecord::State(samples::listener()));
    assert_eq!(ascii, "- listener  0.0.0.0.80: CLOSE -> LISTEN  nginx[12] thread pool-1");
}

#[test]
fn the_other_lines() {
    for (entry, text) in [
        (
            OutputRecord::Start(samples::start()),
            "-- tracing on eth0, lo; filter: port 80; tcptrace 0.1.0 on web7, Linux 6.18.5",
        ),
        (
            OutputRecord::Start(StartOutput {
                kernel: None,
                interfaces: vec![],
                filter: String::new(),
                ..samples::start()
            }),
            "-- reading; tcptrace 0.1.0 on web7",
        ),
        (
            OutputRecord::Start(StartOutput {
                kernel: None,
                interfaces: vec!["x.pcap".to_owned()],
                filter: String::new(),
                ..samples::start()
            }),
            "-- reading x.pcap; tcptrace 0.1.0 on web7",
        ),
        (
            OutputRecord::Icmp(samples::icmp()),
            "#3 eth0 in   IP 10.0.0.254: ICMP host unreachable (type 3, code 1) about 10.0.0.1.54762 > 10.0.0.2.9999",
        ),
        (
            OutputRecord::Owner(samples::owner()),
            "#3 owner     10.0.0.2.9999 > 10.0.0.1.54762: server[801]  (it holds the socket)",
        ),
        (
            OutputRecord::Hint(samples::hint()),
            "#3 hint      10.0.0.2.9999 > 10.0.0.1.54762: tcp_send_reset: invalid_syn: 129 of 128  in LISTEN, its accept queue full",
        ),
        (
            OutputRecord::Hint(HintOutput {
                conn: None,
                value: None,
                state: None,
                queue_full: false,
                queue: None,
                ..samples::hint()
            }),
            "- hint      10.0.0.2.9999 > 10.0.0.1.54762: tcp_send_reset",
        ),
        (
            OutputRecord::Drop(samples::dropped()),
            "#3 dropped   10.0.0.1.54762 > 10.0.0.2.9999: Flags [P.], seq 1, length 18: NETFILTER_DROP in nf_hook_slow on eth0",
        ),
        (OutputRecord::Lost(samples::lost()), "-- lost 12 state records (45 in all)"),
        (
            OutputRecord::End(samples::end()),
            "-- end: 12 connections, 3 still open, 2 forgotten; 1024 events, 45 records lost; 7 left out",
        ),
    ] {
        assert_eq!(behind_time(PLAIN, entry), text);
    }
}

#[test]
fn names_from_outside_are_escaped() {
    let text = segment(PLAIN, SegmentOutput { interface: "lo\u{1b}[31m\\".into(), ..samples::segment() });
    assert!(text.starts_with(r"#1 lo\x1b[31m\\ out  IP "), "{text}");
    let text = state(StateOutput { comm: Some(samples::comm("a\nb")), ..samples::state() });
    assert!(text.contains(r"client a\x0ab[6980]"), "{text}");
}

#[test]
fn colours_are_sequences_around_the_same_text() {
    let colourful = Events { color: true, ..PLAIN };
    for entry in samples::all() {
        let text = line(colourful, entry.clone());
        assert!(text.contains("\u{1b}["), "{text}");
        assert_eq!(without_sgr(&text), line(PLAIN, entry));
    }
    let reset = SegmentOutput { flags: TcpFlags::RST, ..samples::segment() };
    assert!(segment_colours(reset).contains("[\u{1b}[31mR\u{1b}[0m]"));
    assert!(segment_colours(samples::segment()).contains("[\u{1b}[32mS\u{1b}[0m]"));
    assert!(segment_colours(samples::data_segment()).contains("[P.]"));
}

fn segment_colours(entry: SegmentOutput) -> String {
    line(Events { color: true, ..PLAIN }, OutputRecord::Segment(entry))
}

/// Removes escape sequences that set colours, and nothing else.
fn without_sgr(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').strip_prefix('m').unwrap()
    })
}

proptest! {
    #[test]
    fn a_line_is_one_line_and_acts_on_nothing(segment in samples::any_segment(), state in samples::any_state()) {
        for entry in [OutputRecord::Segment(segment), OutputRecord::State(state)] {
            let text = line(PLAIN, entry.clone());
            prop_assert!(text.ends_with('\n'));
            prop_assert!(!text.trim_end_matches('\n').chars().any(is_unsafe), "{:?}", text);
            prop_assert_eq!(without_sgr(&line(Events { color: true, ..PLAIN }, entry)), text);
        }
    }
}
