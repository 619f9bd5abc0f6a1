use jiff::tz::TimeZone;

use super::*;
use crate::{
    output_record::{SegmentOutput, Stamp, StateOutput},
    render::{Drawing, samples},
    text::WallTime,
    verdict::{CloseKind, Outcome},
};

static UTC: TimeZone = TimeZone::UTC;

/// Draws connections, at most ten ladders of them a second.
struct Text {
    render: RateLimited,
    text: Vec<u8>,
    conn: u64,
}

impl Text {
    fn new() -> Self {
        let drawing = Drawing { color: false, absolute_seq: false, unicode: true, zone: &UTC };
        let limit = NonZeroU32::new(10).expect("not 0");
        Self { render: RateLimited::new(Ladder::new(drawing, || 100), limit, 1_000), text: Vec::new(), conn: 0 }
    }

    fn offer(&mut self, record: &OutputRecord) {
        self.render.render(record, &mut self.text);
    }

    /// Opens a connection at a time in milliseconds; returns its number.
    fn open(&mut self, ms: u64) -> u64 {
        self.conn += 1;
        let conn = self.conn;
        self.offer(&OutputRecord::Segment(SegmentOutput { stamp: at(ms), conn, late: false, ..samples::segment() }));
        let mut handshake = samples::handshake();
        handshake.stamp = at(ms);
        let record = &mut handshake.record;
        (record.conn, record.outcome, record.reset, record.nat) = (conn, Some(Outcome::Established), None, None);
        self.offer(&OutputRecord::Handshake(handshake));
        conn
    }

    fn close(&mut self, conn: u64, kind: CloseKind, ms: u64) {
        let mut close = samples::close();
        close.stamp = at(ms);
        let record = &mut close.record;
        (record.conn, record.kind, record.reset, record.nat) = (conn, kind, None, None);
        self.offer(&OutputRecord::Close(close));
    }

    /// Opens and closes this many connections at a time.
    fn connections(&mut self, count: u64, kind: CloseKind, ms: u64) {
        for _ in 0..count {
            let conn = self.open(ms);
            self.close(conn, kind, ms);
        }
    }

    /// Returns the lines about the output since the last call, and the connections that were drawn, each as often.
    fn take(&mut self) -> (Vec<String>, Vec<u64>) {
        let text = String::from_utf8(std::mem::take(&mut self.text)).expect("UTF-8");
        let said = text.lines().filter_map(|line| line.split_once(" -- ")).map(|(_, said)| said.to_owned()).collect();
        let headings = text.lines().filter_map(|line| line.strip_prefix('#')?.split(' ').next()?.parse().ok());
        (said, headings.collect())
    }
}

fn at(ms: u64) -> Stamp {
    Stamp { time: WallTime(1_700_000_000_000_000_000 + ms as i64 * 1_000_000), boot_ns: Some(ms * 1_000_000) }
}

const EXCEEDED: &str =
    "more than 10 ladders a second: until there are fewer, only those of failed and stalled connections are shown";

#[test]
fn what_can_be_read_is_drawn() {
    let mut text = Text::new();
    text.connections(5, CloseKind::FourSegment, 10_000);
    text.connections(5, CloseKind::FourSegment, 11_000);
    assert_eq!(text.take(), (vec![], (1..=10).flat_map(|conn| [conn, conn]).collect()));
}

#[test]
fn beyond_the_limit_failures_are_drawn_whole_and_others_are_counted() {
    let mut text = Text::new();
    text.connections(5, CloseKind::FourSegment, 10_000);
    let _drawn = text.take();
    text.connections(20, CloseKind::FourSegment, 10_100);
    let failed = text.open(10_200);
    text.connections(3, CloseKind::FourSegment, 10_200);
    text.close(failed, CloseKind::Reset, 10_300);
    let (said, drawn) = text.take();
    // The ladder that exceeded the limit belongs to a connection whose records were already shown.
    assert_eq!((said, drawn), (vec![EXCEEDED.to_owned()], vec![6, 6, failed, failed]));
    // A second without excess has to pass first.
    text.connections(1, CloseKind::FourSegment, 11_100);
    text.connections(1, CloseKind::FourSegment, 12_200);
    let (said, drawn) = text.take();
    let count = "23 connections that did not fail were not shown".to_owned();
    assert_eq!((said, drawn), (vec![count, "all connections are shown again".to_owned()], vec![31, 31]));
}

#[test]
fn the_end_counts_too_and_what_belongs_to_no_connection_is_always_shown() {
    let mut text = Text::new();
    text.connections(7, CloseKind::FourSegment, 10_000);
    let _drawn = text.take();
    text.offer(&OutputRecord::State(StateOutput { stamp: at(10_001), ..samples::listener() }));
    assert!(String::from_utf8_lossy(&text.text).contains("listener"));
    let mut end = samples::end();
    (end.stamp, end.left_out) = (at(10_002), None);
    text.offer(&OutputRecord::End(end));
    let (said, _) = text.take();
    assert_eq!(said[0], "1 connection that did not fail was not shown");
    assert!(said[1].starts_with("end: ") && !said[1].contains("not shown"), "{said:?}");
}

#[test]
fn a_connection_that_began_beyond_the_limit_is_drawn_whole_if_it_closes_below() {
    let mut text = Text::new();
    text.connections(6, CloseKind::FourSegment, 10_000);
    let conn = text.open(10_001);
    let _drawn = text.take();
    text.close(conn, CloseKind::FourSegment, 20_000);
    assert_eq!(text.take(), (vec!["all connections are shown again".to_owned()], vec![conn, conn]));
}
