//! Decides what to scan next, and when: requests are collected until the pause after the last scan is over.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    time::Duration,
};

use super::sock_diag_reply::Socket;
use tcptrace_core::event::{BootTime, Endpoint};

/// Length of the pause after a scan, as a multiple of the time it took: scans take at most 2 % of one processor.
const PAUSE_FACTOR: u64 = 50;

/// Most sockets that are looked up one by one. Beyond that, listing all of them is cheaper, and memory stays bounded.
const MAX_SOCKETS: usize = 1024;

/// The two ends of a connection, as a socket of this host sees them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FourTuple {
    /// The end of the socket.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
}

/// A request for sockets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// All sockets of this network namespace and their owners, except those in TIME_WAIT, which no process owns, and those in
    /// CLOSE.
    Everything,
    /// All listeners of this network namespace and their owners, when tracing begins. This is much faster than all sockets.
    Listening,
    /// All sockets with [`Socket::info`], when tracing begins.
    AtStart {
        /// Sockets of other network namespaces, whose owners are looked up with them.
        elsewhere: Vec<Socket>,
        /// Time when the first of them was asked for.
        asked: BootTime,
    },
    /// The sockets of these connections and their owners.
    Connections {
        /// The connections.
        tuples: Vec<FourTuple>,
        /// PIDs of processes that probably hold the sockets: those of the listener. If they hold all of them, no other
        /// process is searched, which makes the scan many times cheaper; other owners are then not found.
        likely: Vec<u32>,
    },
    /// The listeners that would take the SYNs of these connections, where `local` is the listening end. Their owners are not
    /// looked up, so this is fast.
    Listeners(Vec<FourTuple>),
    /// The sockets that make no progress, and those that do again. Their owners are not looked up.
    Stuck,
}

/// The work of one scan.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Job {
    /// Nothing to do.
    #[default]
    Nothing,
    /// Find all sockets.
    Everything,
    /// Find all listeners, for whom tracing waits.
    Listening,
    /// Find all sockets when tracing begins.
    AtStart {
        /// Those of other network namespaces.
        elsewhere: Vec<Socket>,
        /// Time when the first of them was asked for.
        asked: BootTime,
    },
    /// Find the sockets of these connections.
    Connections {
        /// The connections.
        tuples: HashSet<FourTuple>,
        /// Processes that probably hold them.
        likely: BTreeSet<u32>,
    },
    /// Find the listeners for these connections.
    Listeners(HashSet<FourTuple>),
    /// Find the sockets that make no progress.
    Stuck,
}

/// The next step of the scanner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NextScan {
    /// Run this job now.
    Now(Job),
    /// Wait this long, or for a request.
    After(Duration),
    /// Wait for a request.
    Idle,
}

/// Collects requests and spaces out scans.
#[derive(Debug, Default)]
pub(super) struct ScanSchedule {
    /// All listeners are requested.
    listening: bool,
    /// The pending requests for sockets and their owners.
    job: Job,
    /// Time from which `job` may run.
    earliest: BootTime,
    /// Connections whose listeners are requested, at most [`MAX_SOCKETS`].
    listeners: HashSet<FourTuple>,
    /// Time from which listeners may be looked up.
    listeners_earliest: BootTime,
    /// Sockets that make no progress are requested.
    stuck: bool,
    /// Time from which they may be looked for.
    stuck_earliest: BootTime,
}

impl ScanSchedule {
    /// Adds a request to the pending ones.
    pub(super) fn add(&mut self, request: Request) {
        match request {
            Request::Everything if matches!(self.job, Job::AtStart { .. }) => {}
            Request::Everything => self.job = Job::Everything,
            Request::Listening => self.listening = true,
            Request::AtStart { elsewhere, asked } => self.job = Job::AtStart { elsewhere, asked },
            Request::Stuck => self.stuck = true,
            Request::Connections { tuples, likely } => self.add_connections(tuples, likely),
            Request::Listeners(tuples) => {
                let room = MAX_SOCKETS - self.listeners.len().min(MAX_SOCKETS);
                self.listeners.extend(tuples.into_iter().take(room));
            }
        }
    }

    fn add_connections(&mut self, more: Vec<FourTuple>, more_likely: Vec<u32>) {
        match &mut self.job {
            Job::Connections { tuples, likely } => {
                tuples.extend(more);
                likely.extend(more_likely);
            }
            Job::Nothing => {
                let (tuples, likely) = (more.into_iter().collect(), more_likely.into_iter().collect());
                self.job = Job::Connections { tuples, likely };
            }
            Job::Everything | Job::Listening | Job::AtStart { .. } | Job::Listeners(_) | Job::Stuck => return,
        }
        match &self.job {
            Job::Connections { tuples, .. } if tuples.is_empty() => self.job = Job::Nothing,
            Job::Connections { tuples, .. } if tuples.len() > MAX_SOCKETS => self.job = Job::Everything,
            _ => {}
        }
    }

    /// Takes the next job if it may run at `now`.
    pub(super) fn next(&mut self, now: BootTime) -> NextScan {
        if mem::take(&mut self.listening) {
            return NextScan::Now(Job::Listening);
        }
        let listeners = (!self.listeners.is_empty()).then_some(self.listeners_earliest);
        let job = (self.job != Job::Nothing).then_some(self.earliest);
        if listeners.is_some_and(|earliest| earliest <= now) {
            return NextScan::Now(Job::Listeners(mem::take(&mut self.listeners)));
        }
        let stuck = self.stuck.then_some(self.stuck_earliest);
        if stuck.is_some_and(|earliest| earliest <= now) {
            self.stuck = false;
            return NextScan::Now(Job::Stuck);
        }
        match [listeners, stuck, job].into_iter().flatten().min() {
            None => NextScan::Idle,
            Some(earliest) if now < earliest => NextScan::After(Duration::from_nanos(earliest.since(now))),
            Some(_) => NextScan::Now(mem::take(&mut self.job)),
        }
    }

    /// Starts the pause after a scan that ran from `began` to `ended`.
    pub(super) fn scanned(&mut self, job: &Job, began: BootTime, ended: BootTime) {
        let earliest = match job {
            // Once, and everything else waits for it.
            Job::Listening => return,
            Job::Listeners(_) => &mut self.listeners_earliest,
            Job::Stuck => &mut self.stuck_earliest,
            Job::Nothing | Job::Everything | Job::AtStart { .. } | Job::Connections { .. } => &mut self.earliest,
        };
        *earliest = ended.plus(ended.since(began).saturating_mul(PAUSE_FACTOR));
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            schedule.next(now.plus(1000)),
            NextScan::After(Duration::from_nanos(49_999_000)),
            "for the connection"
        );
        schedule.add(listeners(1..2000));
        assert_eq!(schedule.next(now.plus(1000)), NextScan::After(Duration::from_nanos(50_000)));
        assert_eq!(schedule.next(now.plus(51_000)), scan(1..1025), "no more at a time");
        assert_eq!(schedule.next(now.plus(50_000_000)), job(&[1], &[]));
    }
}
