use super::{
    held::{FIRST, LAST},
    *,
};
use crate::{
    render::samples,
    verdict::{CloseKind, HandshakeKind, Outcome, TranslatedEnd, TranslatedSide},
};

/// Offers records of connections and keeps those that pass.
struct Shown {
    selection: Selection,
    shown: Vec<String>,
}

impl Shown {
    fn new(only: &str) -> Self {
        Self::of(Selection::new(only.parse().expect("words"), 1_000_000_000, 1_000))
    }

    fn of(selection: Selection) -> Self {
        Self { selection, shown: Vec::new() }
    }

    fn offer(&mut self, record: OutputRecord) -> &mut Self {
        self.offer_in(record, false)
    }

    fn offer_in(&mut self, record: OutputRecord, in_scope: bool) -> &mut Self {
        let Self { selection, shown } = self;
        selection.offer(Cow::Owned(record), in_scope, &mut |record| shown.push(name(record)));
        self
    }

    /// Offers a connection that ends like this; returns the records that passed.
    fn connection(&mut self, conn: u64, kind: CloseKind) -> Vec<String> {
        let before = self.shown.len();
        self.offer(state(conn, false)).offer(segment(conn)).offer(handshake(conn, Outcome::Established));
        self.offer(segment(conn)).offer(close(conn, kind)).offer(state(conn, true));
        self.shown.split_off(before)
    }
}

fn name(record: &OutputRecord) -> String {
    match record {
        OutputRecord::State(state) => format!("state {}", state.conn.unwrap_or(0)),
        OutputRecord::Segment(segment) => format!("segment {}", segment.conn),
        OutputRecord::Handshake(handshake) => format!("handshake {}", handshake.record.conn),
        OutputRecord::Close(close) => format!("close {}", close.record.conn),
        OutputRecord::Stalled(stalled) => format!("stalled {}", stalled.record.conn),
        OutputRecord::Lost(lost) => format!("lost {}", lost.count),
        OutputRecord::End(end) => format!("end, {:?} left out", end.left_out),
        OutputRecord::Start(_) => "start".to_owned(),
        _ => "another".to_owned(),
    }
}

fn state(conn: u64, late: bool) -> OutputRecord {
    OutputRecord::State(crate::output_record::StateOutput { conn: Some(conn), late, ..samples::state() })
}

fn segment(conn: u64) -> OutputRecord {
    OutputRecord::Segment(crate::output_record::SegmentOutput { conn, late: false, ..samples::segment() })
}

fn handshake(conn: u64, outcome: Outcome) -> OutputRecord {
    let mut handshake = samples::handshake();
    handshake.record.conn = conn;
    handshake.record.kind = HandshakeKind::ThreeWay;
    handshake.record.outcome = Some(outcome);
    handshake.record.reset = None;
    handshake.record.nat = None;
    OutputRecord::Handshake(handshake)
}

fn close(conn: u64, kind: CloseKind) -> OutputRecord {
    let mut close = samples::close();
    close.record.conn = conn;
    close.record.kind = kind;
    close.record.reset = None;
    close.record.nat = None;
    OutputRecord::Close(close)
}

fn stalled(conn: u64) -> OutputRecord {
    let mut stalled = samples::stalled();
    stalled.record.conn = conn;
    stalled.record.nat = None;
    OutputRecord::Stalled(stalled)
}

fn end(connections: u64) -> OutputRecord {
    let mut end = samples::end();
    end.connections = connections;
    OutputRecord::End(end)
}

#[test]
fn all_of_a_chosen_connection_is_shown_in_order_and_nothing_of_others() {
    let mut shown = Shown::new("failed");
    assert_eq!(shown.connection(1, CloseKind::FourSegment), [""; 0]);
    let all = ["state 2", "segment 2", "handshake 2", "segment 2", "close 2", "state 2"];
    assert_eq!(shown.connection(2, CloseKind::Reset), all, "with its handshake, and what came late");
    shown.offer(state(3, false)).offer(handshake(3, Outcome::Refused)).offer(state(3, true));
    assert_eq!(shown.shown, ["state 3", "handshake 3", "state 3"]);
    assert_eq!((shown.selection.chosen(), shown.selection.ended()), (2, 2));
    assert!(shown.selection.open.is_empty());
}

#[test]
fn what_is_decided_passes_at_once() {
    let mut shown = Shown::new("all");
    shown.offer(state(1, false));
    assert_eq!(shown.shown, ["state 1"]);
    let mut shown = Shown::new("established");
    shown.offer(state(1, false)).offer(handshake(1, Outcome::Established)).offer(segment(1));
    assert_eq!(shown.shown, ["state 1", "handshake 1", "segment 1"]);
    let mut shown = Shown::new("!established");
    shown.offer(state(1, false)).offer(handshake(1, Outcome::Established)).offer(segment(1));
    assert!(shown.selection.open[&1].held.is_none(), "nothing is kept of what is left out");
}

#[test]
fn a_stall_chooses_or_is_shown_later() {
    let mut shown = Shown::new("stalled");
    shown.offer(state(1, false)).offer(handshake(1, Outcome::Established)).offer(stalled(1));
    assert_eq!(shown.shown, ["state 1", "handshake 1", "stalled 1"]);
    for (past, selection) in [
        (vec!["state 1", "stalled 1", "close 1"], Shown::new("failed").selection),
        (vec!["state 1", "close 1"], Shown::new("failed").selection.without_past_stalls()),
    ] {
        let mut shown = Shown::of(selection);
        shown.offer(state(1, false)).offer(stalled(1)).offer(close(1, CloseKind::TimedOut));
        assert_eq!(shown.shown, past);
    }
}

#[test]
fn the_end_says_how_many_were_left_out_and_a_listener_is_no_connection() {
    let mut shown = Shown::new("failed");
    shown.offer(OutputRecord::Start(samples::start())).offer(OutputRecord::State(samples::listener()));
    shown.connection(1, CloseKind::Orderly);
    shown.connection(2, CloseKind::Reset);
    shown.offer(state(3, false)).offer(end(3));
    assert_eq!(shown.shown, ["start", "end, Some(2) left out"]);
}

#[test]
fn a_long_connection_keeps_its_beginning_its_end_and_its_verdicts() {
    let mut shown = Shown::new("failed");
    for _ in 0..FIRST {
        shown.offer(segment(1));
    }
    shown.offer(handshake(1, Outcome::Established)).offer(stalled(1));
    for _ in 0..LAST + 10 {
        shown.offer(segment(1));
    }
    shown.offer(close(1, CloseKind::Reset));
    let count = |wanted: &str| shown.shown.iter().filter(|name| **name == wanted).count();
    assert_eq!((count("segment 1"), count("handshake 1"), count("stalled 1")), (FIRST + LAST, 1, 1));
    assert_eq!(count("lost 10"), 1);
    let at = |wanted: &str| shown.shown.iter().position(|name| name == wanted);
    assert!(at("handshake 1") < at("lost 10") && at("lost 10") < at("close 1"));
}

#[test]
fn no_more_connections_are_held_back_than_there_is_room_for() {
    let mut shown = Shown::of(Selection::new("failed".parse().expect("a word"), 1, 2));
    for conn in 1..=3 {
        shown.offer(state(conn, false));
    }
    assert_eq!(shown.selection.open.len(), 2);
    shown.offer(close(1, CloseKind::Reset));
    assert_eq!(shown.shown, ["close 1"], "its verdict is shown all the same");
}

#[test]
fn a_scope_is_entered_by_a_record_that_proves_it() {
    let only = |text: &str| Selection::new(text.parse().expect("words"), 1, 10).scoped();
    let mut shown = Shown::of(only("all"));
    shown.offer(segment(1)).offer(segment(2)).offer_in(state(2, false), true).offer(segment(1)).offer(segment(2));
    assert_eq!(shown.shown, ["segment 2", "state 2", "segment 2"]);
    shown.offer(close(1, CloseKind::Reset)).offer(close(2, CloseKind::Reset));
    assert_eq!((shown.selection.chosen(), shown.selection.ended()), (1, 1));
    let mut shown = Shown::of(only("failed"));
    shown.offer_in(state(1, false), true).offer(handshake(1, Outcome::Established)).offer(close(1, CloseKind::Reset));
    assert_eq!(shown.shown, ["state 1", "handshake 1", "close 1"]);
}

#[test]
fn what_only_counts_keeps_nothing() {
    let mut shown = Shown::of(Shown::new("failed").selection.counting());
    shown.offer(state(1, false)).offer(handshake(1, Outcome::Established));
    assert!(shown.selection.open[&1].held.is_none());
    shown.offer(close(1, CloseKind::Reset));
    assert_eq!(shown.selection.chosen(), 1);
}

#[test]
fn an_end_that_matches_brings_its_connection_with_what_was_held_back() {
    let who = |who: Who| Shown::of(Selection::new(Only::default(), 1, 10).of(who));
    let mut shown = who(Who { pids: vec![6980], ..Who::default() });
    let stranger = |conn| {
        OutputRecord::State(crate::output_record::StateOutput { conn: Some(conn), pid: Some(7), ..samples::state() })
    };
    shown.offer(segment(1)).offer(stranger(1)).offer(segment(2)).offer(state(2, false)).offer(segment(1));
    assert_eq!(shown.shown, ["segment 2", "state 2"]);
    // Only its verdict names the process.
    shown.offer(handshake(1, Outcome::Established));
    assert_eq!(shown.shown.split_off(2), ["segment 1", "state 1", "segment 1", "handshake 1"]);
    assert_eq!((shown.selection.entered(), shown.selection.open_in_scope()), (2, 2));
    shown.offer(OutputRecord::End(samples::end()));
    assert_eq!(shown.selection.open_in_scope(), 2, "the last line of a trace counts them, too");
    shown.offer(OutputRecord::Start(samples::start()));
    assert_eq!(shown.selection.open_in_scope(), 0, "the next run of a recording");
    let mut shown = who(Who { uids: vec![12], ..Who::default() });
    assert_eq!(shown.connection(3, CloseKind::Reset), [""; 0]);
    let mut counts = samples::end();
    counts.connections = 1;
    shown.offer(OutputRecord::End(counts));
    assert_eq!((shown.shown.as_slice(), shown.selection.left_out()), (&["end, None left out".to_owned()][..], 0));
}

#[test]
fn one_end_has_to_match_every_list() {
    let close = OutputRecord::Close(samples::close());
    let who = |pids: &[u32], uids: &[u32]| Who { pids: pids.into(), uids: uids.into(), ..Who::default() };
    assert!(matches(&who(&[1, 7], &[0]), &close) && matches(&who(&[], &[0]), &close));
    assert!(!matches(&who(&[1], &[1000]), &close) && !matches(&who(&[2], &[0]), &close));
    let owner = OutputRecord::Owner(samples::owner());
    assert!(matches(&who(&[801], &[]), &owner));
    // This record does not name the user.
    assert!(!matches(&who(&[801], &[0]), &owner));
    let state = OutputRecord::State(samples::state());
    let of = |comms: &str, units: &str| {
        let globs = |text: &str| text.split_terminator(',').map(|name| name.parse().expect("a name")).collect();
        Who { comms: globs(comms), units: globs(units), ..Who::default() }
    };
    assert!(matches(&of("wget,cur?", ""), &state));
    assert!(!matches(&of("curl", "*"), &state));
    assert!(!matches(&of("*", ""), &OutputRecord::Segment(samples::segment())));
}

/// Names another side in a verdict.
fn tied(mut record: OutputRecord, side: u64) -> OutputRecord {
    let end = TranslatedEnd { addr: [10, 0, 0, 1].into(), port: 80 };
    let nat = Some(vec![TranslatedSide { conn: side, client: end, server: end }]);
    match &mut record {
        OutputRecord::Handshake(handshake) => handshake.record.nat = nat,
        OutputRecord::Close(close) => close.record.nat = nat,
        _ => {}
    }
    record
}

#[test]
fn the_other_sides_of_a_translated_connection_are_shown_with_it() {
    let mut shown = Shown::new("failed");
    for side in [1, 2] {
        shown.offer(state(side, false)).offer(tied(handshake(side, Outcome::Established), 3 - side));
    }
    shown.offer(tied(close(1, CloseKind::Reset), 2));
    assert_eq!(shown.shown, ["state 1", "handshake 1", "state 2", "handshake 2", "close 1"], "before its verdict");
    shown.offer(tied(close(2, CloseKind::FourSegment), 1));
    assert_eq!(shown.shown.last().map(String::as_str), Some("close 2"));
    // The tie becomes known by the verdict of the side that did not fail.
    let mut shown = Shown::new("failed");
    shown.offer(state(1, false)).offer(state(2, false)).offer(handshake(1, Outcome::Refused));
    shown.offer(tied(handshake(2, Outcome::Established), 1));
    assert_eq!(shown.shown, ["state 1", "handshake 1", "state 2", "handshake 2"]);
    shown.offer(close(2, CloseKind::FourSegment)).offer(end(2));
    assert_eq!(shown.shown[4..], ["close 2", "end, Some(0) left out"]);
    assert_eq!((shown.selection.chosen(), shown.selection.ended()), (2, 2));
}

#[test]
fn the_process_at_an_end_of_one_side_brings_the_others() {
    let who = Who { pids: vec![6980], ..Who::default() };
    let mut shown = Shown::of(Selection::new(Only::default(), 1, 10).of(who));
    shown.offer(segment(2)).offer(state(1, false)).offer(tied(handshake(1, Outcome::Established), 2)).offer(segment(2));
    assert_eq!(shown.shown, ["state 1", "segment 2", "handshake 1", "segment 2"]);
    assert_eq!((shown.selection.entered(), shown.selection.chosen()), (1, 1), "only one has that process");
}
