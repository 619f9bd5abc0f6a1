//! Two hosts whose clocks differ, with an address translation between them.

mod only_at;
mod same;
mod stalls;
mod unsent;

use std::num::NonZeroUsize;

use super::*;
use crate::{
    correlate::{Correlator, NO_NAMESPACE},
    describe::Describer,
    event::{BootTime, Endpoint, Event, Role, Segment},
    filter::Emit,
    output_record::{CloseOutput, EndpointOutput, HandshakeOutput, OutputRecord, SegmentOutput, StalledOutput},
    render::samples,
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader},
    text::WallTime,
    verdict::{CloseKind, Outcome},
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;

/// Time at which everything begins, in nanoseconds since 1970 by the client's clock.
const BEGAN: i64 = 1_700_000_000_000_000_000;

/// Nanoseconds by which the server's clock is ahead.
const AHEAD: i64 = 5_000_000_000;

/// A segment: its time in microseconds, true if it is the client's, flags, and numbers without the ISNs.
type Seen = (i64, bool, TcpFlags, u32, u32);

/// A connection in a file: its ends, the client's ISN, its segments.
type Conn<'a> = ([([u8; 4], u16); 2], u32, &'a [Seen]);

/// A host's view of connections between two endpoints, whose ISNs are `isn` and `isn + 1000`.
fn views(ahead: i64, ends: [([u8; 4], u16); 2], isn: u32, seen: &[Seen]) -> Vec<View> {
    views_of(ahead, &[(ends, isn, seen)])
}

/// Like [`views`], of several connections in one file.
fn views_of(ahead: i64, conns: &[Conn<'_>]) -> Vec<View> {
    let mut correlator = Correlator::new(NO_NAMESPACE);
    correlator.expect_all_segments();
    let (mut describer, mut views, mut found) = (Describer::of_capture(), Views::default(), Vec::new());
    let at = |micros: i64| BootTime(u64::try_from(BEGAN + ahead + micros * 1_000).expect("after 1970"));
    let mut emit = |correlated| found.extend(views.take(describer.entry(correlated)).map(|view| *view));
    let mut all = Vec::new();
    for &(ends, isn, seen) in conns {
        all.extend(seen.iter().map(|&seen| (ends, isn, seen)));
    }
    all.sort_by_key(|&(.., (micros, ..))| micros);
    for (ends, isn, (micros, by_client, flags, seq, ack)) in all {
        let [client, server] = ends.map(|(addr, port)| Endpoint { addr: addr.into(), port });
        let (src, dst) = if by_client { (client, server) } else { (server, client) };
        let (own, other) = if by_client { (isn, isn + 1_000) } else { (isn + 1_000, isn) };
        let header = TcpHeader {
            src_port: src.port,
            dst_port: dst.port,
            seq: SeqNumber(own + seq),
            ack: SeqNumber(if flags.contains(ACK) { other + ack } else { 0 }),
            data_offset: 20,
            flags,
            window: 1_000,
            urgent: 0,
            options: OptionBytes::EMPTY,
        };
        let segment = Segment::new(at(micros), src.addr, dst.addr, header);
        correlator.handle_event(&Event::Segment(segment), &mut emit);
    }
    correlator.finish(at(100_000_000), &mut emit);
    found.extend(views.finish(WallTime(BEGAN + ahead + 100_000_000_000)).map(|view| *view));
    found
}

fn room(connections: usize, events: usize) -> Room {
    let [connections, events] = [connections, events].map(|most| NonZeroUsize::new(most).expect("some"));
    Room { connections, events }
}

fn joiner(most: usize) -> Joiner {
    joiner_of(&[("web", 0), ("db", AHEAD)], most)
}

/// Creates a joiner for these hosts, each with the nanoseconds by which its clock is ahead.
fn joiner_of(hosts: &[(&str, i64)], most: usize) -> Joiner {
    let recorded = |&(host, ahead): &(&str, i64)| RecordedHost {
        host: host.into(),
        began: WallTime(BEGAN + ahead - 1_000_000),
        all_segments: false,
    };
    Joiner::new(hosts.iter().map(recorded).collect(), Emit::ALL, room(most, 1_000))
}

const INSIDE: [([u8; 4], u16); 2] = [([10, 0, 0, 1], 40_000), ([192, 0, 2, 2], 80)];
const OUTSIDE: [([u8; 4], u16); 2] = [([198, 51, 100, 7], 1_024), ([192, 0, 2, 2], 80)];

/// The client's first SYN never arrives. 200 µs there, 400 µs back.
fn at_client() -> Vec<Seen> {
    vec![
        (0, true, SYN, 0, 0),
        (1_000_000, true, SYN, 0, 0),
        (1_000_600, false, SYN | ACK, 0, 1),
        (1_000_700, true, ACK, 1, 1),
        (1_500_000, true, FIN | ACK, 1, 1),
        (1_500_700, false, FIN | ACK, 1, 2),
        (1_500_800, true, ACK, 2, 2),
    ]
}

fn at_server() -> Vec<Seen> {
    vec![
        (1_000_200, true, SYN, 0, 0),
        (1_000_200, false, SYN | ACK, 0, 1),
        (1_000_900, true, ACK, 1, 1),
        (1_500_200, true, FIN | ACK, 1, 1),
        (1_500_300, false, FIN | ACK, 1, 2),
        (1_501_000, true, ACK, 2, 2),
    ]
}

/// Adds an event to a view.
fn add(view: &mut View, record: OutputRecord) {
    view.add((&record).into(), Some(record));
}

fn join<const FILES: usize>(joiner: &mut Joiner, files: [Vec<View>; FILES]) -> Vec<OutputRecord> {
    let mut records = Vec::new();
    for (file, views) in files.into_iter().enumerate() {
        views.into_iter().for_each(|view| joiner.take(file, Box::new(view), &mut |record| records.push(record)));
    }
    joiner.finish(&mut |record| records.push(record));
    records
}

fn segments(records: &[OutputRecord]) -> Vec<&SegmentOutput> {
    let segment = |record: &'_ OutputRecord| matches!(record, OutputRecord::Segment(_));
    records
        .iter()
        .filter(|record| segment(record))
        .map(|record| match record {
            OutputRecord::Segment(segment) => segment,
            _ => unreachable!("they are segments"),
        })
        .collect()
}

#[test]
fn one_timeline_by_the_first_clock_whatever_the_addresses() {
    let files = [views(0, INSIDE, 700, &at_client()), views(AHEAD, OUTSIDE, 700, &at_server())];
    let mut joiner = joiner(8);
    let records = join(&mut joiner, files);
    assert_eq!(joiner.counts(), (1, 1));

    let segments = segments(&records);
    assert_eq!(segments.len(), 7, "each once, and the SYN that was lost");
    let since: Vec<_> = segments.iter().map(|segment| segment.since_start_ns.map(|since| since / 1_000)).collect();
    assert!(since.is_sorted(), "{since:?}");
    let [lost, syn, synack, ..] = &segments[..] else { panic!("{segments:?}") };
    let passage = |segment: &SegmentOutput| segment.passage.clone().expect("two hosts have the connection");
    assert!(passage(lost).lost && passage(lost).sightings.len() == 1);
    assert!(segments[1..].iter().all(|segment| !passage(segment).lost && passage(segment).sightings.len() == 2));
    let hosts = |segment| passage(segment).sightings.iter().map(|seen| seen.host.to_string()).collect::<Vec<_>>();
    assert_eq!((hosts(syn), hosts(synack)), (vec!["web".into(), "db".into()], vec!["db".into(), "web".into()]));
    // Each direction gets half of the sum, which alone is certain.
    assert_eq!(passage(syn).delay_ns, Some(300_000));
    assert_eq!(passage(synack).delay_ns, Some(300_000));
    assert_eq!(syn.src.addr, std::net::IpAddr::from([10, 0, 0, 1]), "as the client has it");

    let Some(OutputRecord::Handshake(HandshakeOutput { joined: Some(joined), record, .. })) =
        records.iter().find(|record| matches!(record, OutputRecord::Handshake(_)))
    else {
        panic!("{records:?}")
    };
    assert_eq!(record.outcome, Some(Outcome::Established));
    assert_eq!(joined.round_trip_ns, Some(600_000));
    let [web, db] = &joined.views[..] else { panic!("{joined:?}") };
    assert_eq!((&*web.host, &*db.host, joined.only_at.as_deref()), ("web", "db", None));
    assert_eq!((web.clock_offset_ns, web.clock_error_ns), (Some(0), Some(0)));
    let (offset, error) = (db.clock_offset_ns.expect("known"), db.clock_error_ns.expect("known"));
    assert!(offset.abs_diff(AHEAD) <= error && error == 300_000, "{offset} {error}");
    assert_eq!(db.client.port, Some(1_024));
    assert!(matches!(records.last(), Some(OutputRecord::Close(close)) if close.record.kind == CloseKind::ThreeSegment));
}

#[test]
fn what_one_host_alone_saw_is_told_as_that() {
    let refused = [(0, true, SYN, 0, 0), (300, false, TcpFlags::RST | ACK, 0, 1)];
    let mut joiner = joiner(8);
    let records = join(&mut joiner, [views(0, INSIDE, 1, &refused), views(AHEAD, OUTSIDE, 500_000, &at_server())]);
    assert_eq!(joiner.counts(), (2, 0));
    let only: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            OutputRecord::Handshake(HandshakeOutput { joined, .. })
            | OutputRecord::Close(CloseOutput { joined, .. }) => joined.as_ref()?.only_at.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(only, ["web", "db", "db"]);
    assert!(segments(&records).iter().all(|segment| segment.passage.is_none()));
}

#[test]
fn a_router_between_two_hosts_tells_how_far_each_segment_came() {
    // Behind the translation, with a clock that is ten seconds late. The SYN is lost after this host.
    let at_router = [
        (100, true, SYN, 0, 0),
        (1_000_100, true, SYN, 0, 0),
        (1_000_400, false, SYN | ACK, 0, 1),
        (1_000_800, true, ACK, 1, 1),
        (1_500_100, true, FIN | ACK, 1, 1),
        (1_500_500, false, FIN | ACK, 1, 2),
        (1_500_900, true, ACK, 2, 2),
    ];
    let hosts = [("web", 0), ("router", -2 * AHEAD), ("db", AHEAD)];
    let files = [
        views(0, INSIDE, 700, &at_client()),
        views(-2 * AHEAD, OUTSIDE, 700, &at_router),
        views(AHEAD, OUTSIDE, 700, &at_server()),
    ];
    let mut joiner = joiner_of(&hosts, 8);
    let records = join(&mut joiner, files);
    assert_eq!(joiner.counts(), (1, 1));
    let segments = segments(&records);
    let passed = |segment: &&SegmentOutput| {
        let passage = segment.passage.as_ref().expect("several hosts have the connection");
        (passage.sightings.iter().map(|seen| seen.host.to_string()).collect::<Vec<_>>(), passage.lost)
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (there, back) = (names(&["web", "router", "db"]), names(&["db", "router", "web"]));
    let [lost, all @ ..] = &segments[..] else { panic!("{segments:?}") };
    assert_eq!(passed(lost), (names(&["web", "router"]), true));
    let ways = [&there, &back, &there, &there, &back, &there].map(|way| (way.clone(), false));
    assert_eq!(all.iter().map(passed).collect::<Vec<_>>(), ways);
}

#[test]
fn a_refusal_is_joined_without_the_servers_number() {
    let near = [(0, true, SYN, 0, 0), (600, false, TcpFlags::RST | ACK, 0, 1)];
    let far = [(200, true, SYN, 0, 0), (200, false, TcpFlags::RST | ACK, 0, 1)];
    let mut joiner = joiner(8);
    // The server's file comes first: the order on the way is that of the answers.
    let mut records = Vec::new();
    for view in views(AHEAD, OUTSIDE, 9, &far) {
        joiner.take(1, Box::new(view), &mut |record| records.push(record));
    }
    for view in views(0, INSIDE, 9, &near) {
        joiner.take(0, Box::new(view), &mut |record| records.push(record));
    }
    assert_eq!(joiner.counts(), (1, 1));
    let Some(OutputRecord::Handshake(HandshakeOutput { joined: Some(joined), .. })) = records.last() else {
        panic!("{records:?}")
    };
    assert_eq!(joined.views.iter().map(|view| &*view.host).collect::<Vec<_>>(), ["web", "db"]);
    assert_eq!(joined.round_trip_ns, Some(600_000));
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let events = views(0, INSIDE, 1, &at_client())[0].events.len();
    for room in [room(2, 1_000), room(1_000, 3 * events - 1)] {
        let mut joiner = joiner(8);
        joiner.room = room;
        let mut reported = 0;
        for isn in 1..=5 {
            for view in views(0, INSIDE, isn * 10_000, &at_client()) {
                let mut count = |record| reported += u32::from(matches!(record, OutputRecord::Close(_)));
                joiner.take(0, Box::new(view), &mut count);
            }
        }
        assert_eq!((reported, joiner.given_up(), joiner.waiting(0)), (3, 3, 2), "{room:?}");
        joiner.finish(&mut |_| {});
        assert_eq!((joiner.counts(), joiner.waiting(0)), ((5, 0), 0));
    }
}

#[test]
fn a_connection_that_is_open_at_the_end_of_one_file_is_joined() {
    let open = &at_client()[..4];
    let reset = [&at_server()[..3], &[(1_600_000, false, TcpFlags::RST | ACK, 1, 1)]].concat();
    let mut joiner = joiner(8);
    let records = join(&mut joiner, [views(0, INSIDE, 3, open), views(AHEAD, OUTSIDE, 3, &reset)]);
    assert_eq!(joiner.counts(), (1, 1));
    let Some(OutputRecord::Close(CloseOutput { record, joined: Some(joined), .. })) = records.last() else {
        panic!("{records:?}")
    };
    assert_eq!((record.kind, &*joined.verdict_of), (CloseKind::Reset, "db"));
    let lost = segments(&records).into_iter().filter(|segment| segment.passage.as_ref().is_some_and(|at| at.lost));
    assert_eq!(lost.map(|segment| segment.flags).collect::<Vec<_>>(), [SYN, TcpFlags::RST | ACK]);
}
