use std::net::Ipv4Addr;

use super::*;

fn tuple(port: u16) -> FourTuple {
    let endpoint = |port| Endpoint { addr: Ipv4Addr::LOCALHOST.into(), port };
    FourTuple { local: endpoint(port), remote: endpoint(80) }
}

fn request(ports: impl IntoIterator<Item = u16>, likely: &[u32]) -> Request {
    Request::Connections { tuples: ports.into_iter().map(tuple).collect(), likely: likely.to_vec() }
}

fn job(ports: &[u16], likely: &[u32]) -> NextScan {
    NextScan::Now(Job::Connections {
        tuples: ports.iter().copied().map(tuple).collect(),
        likely: likely.iter().copied().collect(),
    })
}

const START: BootTime = BootTime(7_000_000);

#[test]
fn the_first_request_is_served_at_once_and_only_once() {
    let mut schedule = ScanSchedule::default();
    assert_eq!(schedule.next(START), NextScan::Idle);
    schedule.add(Request::Everything);
    assert_eq!(schedule.next(START), NextScan::Now(Job::Everything));
    assert_eq!(schedule.next(START), NextScan::Idle);
}

#[test]
fn listeners_come_first_when_tracing_begins_and_nothing_pauses_for_them() {
    let mut schedule = ScanSchedule::default();
    let everything = || Request::AtStart { elsewhere: Vec::new(), asked: START };
    schedule.add(everything());
    schedule.add(Request::Listening);
    assert_eq!(schedule.next(START), NextScan::Now(Job::Listening));
    schedule.scanned(&Job::Listening, START, START.plus(1000));
    assert!(matches!(schedule.next(START.plus(1000)), NextScan::Now(Job::AtStart { .. })));
    assert_eq!(schedule.next(START.plus(1000)), NextScan::Idle);
}

#[test]
fn a_pause_is_fifty_times_as_long_as_the_scan() {
    let mut schedule = ScanSchedule::default();
    schedule.scanned(&Job::Everything, START, START.plus(1000));
    schedule.add(Request::Everything);
    assert_eq!(schedule.next(START.plus(1000)), NextScan::After(Duration::from_nanos(50_000)));
    assert_eq!(schedule.next(START.plus(50_999)), NextScan::After(Duration::from_nanos(1)));
    assert_eq!(schedule.next(START.plus(51_000)), NextScan::Now(Job::Everything));
}

#[test]
fn nobody_is_woken_for_a_pause_without_requests() {
    let mut schedule = ScanSchedule::default();
    schedule.scanned(&Job::Everything, START, START.plus(1000));
    assert_eq!(schedule.next(START.plus(1000)), NextScan::Idle);
}

#[test]
fn a_clock_that_seems_to_stand_still_or_to_end_does_no_harm() {
    let mut schedule = ScanSchedule::default();
    schedule.scanned(&Job::Everything, START.plus(1), START);
    schedule.add(Request::Everything);
    assert_eq!(schedule.next(START), NextScan::Now(Job::Everything));
    schedule.scanned(&Job::Everything, BootTime(0), BootTime(u64::MAX));
    schedule.add(Request::Everything);
    assert_eq!(schedule.next(START), NextScan::After(Duration::from_nanos(u64::MAX - START.0)));
}

#[test]
fn requests_made_in_a_pause_become_one_scan() {
    let mut schedule = ScanSchedule::default();
    schedule.add(request([1, 2], &[10]));
    schedule.add(request([2, 3], &[11, 10]));
    assert_eq!(schedule.next(START), job(&[1, 2, 3], &[10, 11]));
}

#[test]
fn everything_includes_the_rest() {
    for requests in [[Request::Everything, request([1], &[])], [request([1], &[]), Request::Everything]] {
        let mut schedule = ScanSchedule::default();
        requests.into_iter().for_each(|request| schedule.add(request));
        assert_eq!(schedule.next(START), NextScan::Now(Job::Everything));
    }
}

#[test]
fn a_request_for_nothing_is_none() {
    let mut schedule = ScanSchedule::default();
    schedule.add(request([], &[1]));
    assert_eq!(schedule.next(START), NextScan::Idle);
}

#[test]
fn too_many_to_ask_for_one_by_one_become_everything() {
    let mut schedule = ScanSchedule::default();
    schedule.add(request(1..=1024, &[]));
    schedule.add(request(1..=1024, &[]));
    assert!(
        matches!(schedule.next(START), NextScan::Now(Job::Connections { tuples, .. }) if tuples.len() == MAX_SOCKETS)
    );
    schedule.add(request(1..=1024, &[]));
    schedule.add(request([1025], &[]));
    assert_eq!(schedule.next(START), NextScan::Now(Job::Everything));
}

#[test]
fn sockets_that_make_no_progress_have_a_pause_of_their_own() {
    let mut schedule = ScanSchedule::default();
    schedule.scanned(&Job::Everything, START, START.plus(1_000_000));
    schedule.add(Request::Stuck);
    schedule.add(Request::Stuck);
    let now = START.plus(1_000_000);
    assert_eq!(schedule.next(now), NextScan::Now(Job::Stuck));
    assert_eq!(schedule.next(now), NextScan::Idle);
    schedule.scanned(&Job::Stuck, now, now.plus(1000));
    schedule.add(Request::Stuck);
    assert_eq!(schedule.next(now.plus(1000)), NextScan::After(Duration::from_nanos(50_000)));
    assert_eq!(schedule.next(now.plus(51_000)), NextScan::Now(Job::Stuck));
}

#[test]
fn listeners_do_not_wait_for_the_pause_of_scans_that_look_for_owners() {
    let listeners = |ports: std::ops::Range<u16>| Request::Listeners(ports.map(tuple).collect());
    let scan = |ports: std::ops::Range<u16>| NextScan::Now(Job::Listeners(ports.map(tuple).collect()));
    let mut schedule = ScanSchedule::default();
    schedule.scanned(&Job::Everything, START, START.plus(1_000_000));
    schedule.add(request([1], &[]));
    schedule.add(listeners(5..7));
    schedule.add(listeners(6..8));
    let now = START.plus(1_000_000);
    assert_eq!(schedule.next(now), scan(5..8));
    schedule.scanned(&Job::Listeners(HashSet::new()), now, now.plus(1000));
    assert_eq!(schedule.next(now.plus(1000)), NextScan::After(Duration::from_nanos(49_999_000)), "for the connection");
    schedule.add(listeners(1..2000));
    assert_eq!(schedule.next(now.plus(1000)), NextScan::After(Duration::from_nanos(50_000)));
    assert_eq!(schedule.next(now.plus(51_000)), scan(1..1025), "no more at a time");
    assert_eq!(schedule.next(now.plus(50_000_000)), job(&[1], &[]));
}
