use std::io::Cursor;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::{
    decode::capture::{self, Capture},
    event::{Event, Segment},
    output_record::EndpointOutput,
    render::samples,
    tcp::TcpFlags,
};

const WORDS: Events = Events { color: false, absolute_seq: false, unicode: true, zone: &TimeZone::UTC };

fn renderer() -> Pcapng {
    Pcapng::new(WORDS)
}

fn file(records: &[OutputRecord]) -> Vec<u8> {
    let (mut renderer, mut out) = (renderer(), Vec::new());
    records.iter().for_each(|record| renderer.render(record, &mut out));
    out
}

/// The segments in a file, each with its direction and the name of its interface.
fn segments(file: &[u8]) -> Vec<(Segment, Option<Direction>, String)> {
    let Ok(Capture::Frames(mut frames)) = capture::open(Cursor::new(file)) else { panic!("a capture") };
    let mut all = Vec::new();
    while let Some(framed) = frames.next() {
        let framed = framed.expect("an undamaged file");
        let Event::Segment(segment) = framed.event else { panic!("{framed:?}") };
        all.push((segment, framed.direction, frames.interfaces()[framed.interface as usize].name.clone()));
    }
    all
}

/// The start, and a segment in place of the sample's.
fn with(segment: SegmentOutput) -> Vec<u8> {
    file(&[OutputRecord::Start(samples::start()), OutputRecord::Segment(segment)])
}

/// The entries of the journal in a file, as text.
fn entries(file: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(file);
    text.lines().filter_map(|line| line.strip_prefix("MESSAGE=")).map(str::to_owned).collect()
}

#[test]
fn a_segment_is_a_packet_that_reads_back() {
    let sample = samples::data_segment();
    let read = segments(&with(sample.clone()));
    let [(segment, direction, interface)] = &read[..] else { panic!("{read:?}") };
    assert_eq!((*direction, interface.as_str()), (sample.direction, &*sample.interface));
    assert_eq!(i64::try_from(segment.at.0), Ok(sample.stamp.time.0));
    assert_eq!((segment.length, segment.header.urgent), (sample.length, sample.urgent.expect("it has one")));
}

#[test]
fn every_interface_is_described_once_in_each_section() {
    let on = |interface: &str, netns| {
        OutputRecord::Segment(SegmentOutput { interface: interface.into(), netns, ..samples::segment() })
    };
    let lost = samples::lost();
    let lost = OutputRecord::Lost(crate::output_record::LostOutput { source: LossSource::Output, ..lost });
    let start = OutputRecord::Start(samples::start());
    let all =
        file(&[start, on("lo", None), on("eth0", None), on("lo", None), on("lo", Some(7)), lost, on("eth0", None)]);
    let names: Vec<_> = segments(&all).into_iter().map(|(.., name)| name).collect();
    assert_eq!(names, ["lo", "eth0", "lo", "lo", "eth0"]);
    assert!(String::from_utf8_lossy(&all).contains("in network namespace 7"));
}

#[test]
fn everything_else_is_an_entry_of_the_journal_in_the_words_of_the_event_lines() {
    let all = file(&samples::all());
    let (mut words, mut expected) = (renderer().words, Vec::new());
    for record in samples::all().iter().filter(|record| !matches!(record, OutputRecord::Segment(_))) {
        words.render(record, &mut expected);
    }
    let expected = String::from_utf8(expected).expect("UTF-8");
    let expected: Vec<_> = expected.lines().map(|line| line.split_once(' ').expect("a time").1.to_owned()).collect();
    assert_eq!(entries(&all), expected);
}

#[test]
fn a_packet_names_the_process_of_its_sender_or_else_of_its_receiver() {
    let (state, segment) = (samples::state(), samples::segment());
    let local = state.local;
    let away = EndpointOutput { port: Some(1), ..local };
    for (src, dst, direction, named) in [
        (local, away, Direction::Out, true),
        (away, local, Direction::In, true),
        (away, local, Direction::Out, false),
        (away, away, Direction::In, false),
    ] {
        let mut processes = Processes::default();
        processes.note(&OutputRecord::State(state.clone()));
        let conn = state.conn.expect("it has one");
        let segment = SegmentOutput { src, dst, conn, direction: Some(direction), ..segment.clone() };
        let ids = state.pid.zip(state.tid).filter(|_| named);
        assert_eq!(processes.of(&segment), ids, "{src:?} {dst:?} {direction:?}");
        let mut close = samples::close();
        close.record.conn = conn;
        processes.note(&OutputRecord::Close(close));
        assert_eq!(processes.of(&segment), None, "the connection is over");
    }
}

proptest! {
    #[test]
    fn any_segment_reads_back(mut segment in samples::any_segment()) {
        segment.stamp.time.0 = segment.stamp.time.0.saturating_abs();
        let (Some(src_port), Some(dst_port)) = (segment.src.port, segment.dst.port) else { return Ok(()) };
        if segment.src.addr.is_ipv4() != segment.dst.addr.is_ipv4() {
            return Ok(());
        }
        if segment.ace.is_some() {
            segment.flags = segment.flags.without(TcpFlags::ACE);
        }
        // A larger packet than the kernel makes.
        segment.length %= 1 << 25;
        let read = segments(&with(segment.clone()));
        let [(found, direction, _)] = &read[..] else { panic!("{read:?}") };
        let header = &found.header;
        prop_assert_eq!(*direction, segment.direction);
        prop_assert_eq!((found.src.addr, header.src_port), (segment.src.addr.to_canonical(), src_port));
        prop_assert_eq!((found.dst.addr, header.dst_port), (segment.dst.addr.to_canonical(), dst_port));
        prop_assert_eq!((header.seq.0, header.ack.0), (segment.seq, segment.ack.unwrap_or(0)));
        prop_assert_eq!((header.window, header.urgent), (segment.window, segment.urgent.unwrap_or(0)));
        prop_assert_eq!(header.flags, segment.flags.with_ace(segment.ace.unwrap_or(0)));
        prop_assert!(header.options.as_slice().starts_with(segment.options.0.as_slice()));
        prop_assert_eq!(found.length, segment.length);
    }
}
