//! What is to be scanned next, and when: requests gather until the last scan is paid for.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    time::Duration,
};

use tcptrace_core::event::{BootTime, Endpoint};

/// After a scan that took T the next one of its kind begins no sooner than this many T later: at most 2 % of one processor.
const PAUSE: u64 = 50;

/// Sockets asked for one by one. With more, a list of all of them is cheaper, and the memory for requests has an end.
const MOST_SOCKETS: usize = 1024;

/// Both ends of a connection, as a socket of this host sees them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ends {
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
}

/// What to look for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Every socket of this network namespace that listens, opens, is open, or closes. TIME_WAIT and what was never
    /// connected is left out: it belongs to nobody, or nothing has happened to it yet.
    Everything,
    /// The sockets of these connections.
    Correlator {
        /// Which.
        ends: Vec<Ends>,
        /// Processes that probably hold them: the listener's. When these hold them all, no other process is looked at,
        /// which makes the scan many times cheaper, and only these can be among the owners.
        likely: Vec<u32>,
    },
    /// The listeners that would take the SYNs of these connections, `local` being the end that listens. Nobody is looked for
    /// who holds them, so it is done at once.
    Listeners(Vec<Ends>),
}

/// What one scan is to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Job {
    /// Nothing.
    #[default]
    Nothing,
    /// Find all sockets.
    Everything,
    /// Find these.
    Correlator {
        /// Which.
        ends: HashSet<Ends>,
        /// Who probably holds them.
        likely: BTreeSet<u32>,
    },
    /// Find the listeners for these.
    Listeners(HashSet<Ends>),
}

/// What the scanner does now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Scan.
    Scan(Job),
    /// Wait this long, or for a request.
    Pause(Duration),
    /// Wait for a request.
    Idle,
}

/// Gathers requests and spaces out scans.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Sockets and their owners.
    job: Job,
    /// When the next scan for these may begin.
    earliest: BootTime,
    /// Connections whose listeners are asked for, no more than [`MOST_SOCKETS`].
    listeners: HashSet<Ends>,
    /// When listeners may be asked for again.
    listeners_earliest: BootTime,
}

impl Agenda {
    /// Adds a request to those that wait.
    pub(super) fn add(&mut self, request: Request) {
        match request {
            Request::Everything => self.job = Job::Everything,
            Request::Correlator { ends, likely } => self.add_connections(ends, likely),
            Request::Listeners(ends) => {
                let room = MOST_SOCKETS - self.listeners.len().min(MOST_SOCKETS);
                self.listeners.extend(ends.into_iter().take(room));
            }
        }
    }

    fn add_connections(&mut self, more: Vec<Ends>, probably: Vec<u32>) {
        match &mut self.job {
            Job::Correlator { ends, likely } => {
                ends.extend(more);
                likely.extend(probably);
            }
            Job::Nothing => {
                self.job = Job::Correlator { ends: more.into_iter().collect(), likely: probably.into_iter().collect() };
            }
            Job::Everything | Job::Listeners(_) => return,
        }
        match &self.job {
            Job::Correlator { ends, .. } if ends.is_empty() => self.job = Job::Nothing,
            Job::Correlator { ends, .. } if ends.len() > MOST_SOCKETS => self.job = Job::Everything,
            _ => {}
        }
    }

    /// What is to be done now.
    pub(super) fn next(&mut self, now: BootTime) -> Next {
        let listeners = (!self.listeners.is_empty()).then_some(self.listeners_earliest);
        let job = (self.job != Job::Nothing).then_some(self.earliest);
        if listeners.is_some_and(|earliest| earliest <= now) {
            return Next::Scan(Job::Listeners(mem::take(&mut self.listeners)));
        }
        match [listeners, job].into_iter().flatten().min() {
            None => Next::Idle,
            Some(earliest) if now < earliest => Next::Pause(Duration::from_nanos(earliest.since(now))),
            Some(_) => Next::Scan(mem::take(&mut self.job)),
        }
    }

    /// A scan for the job took from `began` to `ended`.
    pub(super) fn scanned(&mut self, job: &Job, began: BootTime, ended: BootTime) {
        let earliest = match job {
            Job::Listeners(_) => &mut self.listeners_earliest,
            Job::Nothing | Job::Everything | Job::Correlator { .. } => &mut self.earliest,
        };
        *earliest = ended.plus(ended.since(began).saturating_mul(PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ends(port: u16) -> Ends {
        let endpoint = |port| Endpoint { addr: Ipv4Addr::LOCALHOST.into(), port };
        Ends { local: endpoint(port), remote: endpoint(80) }
    }

    fn request(ports: impl IntoIterator<Item = u16>, likely: &[u32]) -> Request {
        Request::Correlator { ends: ports.into_iter().map(ends).collect(), likely: likely.to_vec() }
    }

    fn job(ports: &[u16], likely: &[u32]) -> Next {
        Next::Scan(Job::Correlator {
            ends: ports.iter().copied().map(ends).collect(),
            likely: likely.iter().copied().collect(),
        })
    }

    const START: BootTime = BootTime(7_000_000);

    #[test]
    fn the_first_request_is_served_at_once_and_only_once() {
        let mut agenda = Agenda::default();
        assert_eq!(agenda.next(START), Next::Idle);
        agenda.add(Request::Everything);
        assert_eq!(agenda.next(START), Next::Scan(Job::Everything));
        assert_eq!(agenda.next(START), Next::Idle);
    }

    #[test]
    fn a_pause_is_fifty_times_as_long_as_the_scan() {
        let mut agenda = Agenda::default();
        agenda.scanned(&Job::Everything, START, START.plus(1000));
        agenda.add(Request::Everything);
        assert_eq!(agenda.next(START.plus(1000)), Next::Pause(Duration::from_nanos(50_000)));
        assert_eq!(agenda.next(START.plus(50_999)), Next::Pause(Duration::from_nanos(1)));
        assert_eq!(agenda.next(START.plus(51_000)), Next::Scan(Job::Everything));
    }

    #[test]
    fn nobody_is_woken_for_a_pause_without_requests() {
        let mut agenda = Agenda::default();
        agenda.scanned(&Job::Everything, START, START.plus(1000));
        assert_eq!(agenda.next(START.plus(1000)), Next::Idle);
    }

    #[test]
    fn a_clock_that_seems_to_stand_still_or_to_end_does_no_harm() {
        let mut agenda = Agenda::default();
        agenda.scanned(&Job::Everything, START.plus(1), START);
        agenda.add(Request::Everything);
        assert_eq!(agenda.next(START), Next::Scan(Job::Everything));
        agenda.scanned(&Job::Everything, BootTime(0), BootTime(u64::MAX));
        agenda.add(Request::Everything);
        assert_eq!(agenda.next(START), Next::Pause(Duration::from_nanos(u64::MAX - START.0)));
    }

    #[test]
    fn requests_made_in_a_pause_become_one_scan() {
        let mut agenda = Agenda::default();
        agenda.add(request([1, 2], &[10]));
        agenda.add(request([2, 3], &[11, 10]));
        assert_eq!(agenda.next(START), job(&[1, 2, 3], &[10, 11]));
    }

    #[test]
    fn everything_includes_the_rest() {
        for requests in [[Request::Everything, request([1], &[])], [request([1], &[]), Request::Everything]] {
            let mut agenda = Agenda::default();
            requests.into_iter().for_each(|request| agenda.add(request));
            assert_eq!(agenda.next(START), Next::Scan(Job::Everything));
        }
    }

    #[test]
    fn a_request_for_nothing_is_none() {
        let mut agenda = Agenda::default();
        agenda.add(request([], &[1]));
        assert_eq!(agenda.next(START), Next::Idle);
    }

    #[test]
    fn too_many_to_ask_for_one_by_one_become_everything() {
        let mut agenda = Agenda::default();
        agenda.add(request(1..=1024, &[]));
        agenda.add(request(1..=1024, &[]));
        assert!(matches!(agenda.next(START), Next::Scan(Job::Correlator { ends, .. }) if ends.len() == MOST_SOCKETS));
        agenda.add(request(1..=1024, &[]));
        agenda.add(request([1025], &[]));
        assert_eq!(agenda.next(START), Next::Scan(Job::Everything));
    }

    #[test]
    fn listeners_do_not_wait_for_the_pause_of_scans_that_look_for_owners() {
        let listeners = |ports: std::ops::Range<u16>| Request::Listeners(ports.map(ends).collect());
        let scan = |ports: std::ops::Range<u16>| Next::Scan(Job::Listeners(ports.map(ends).collect()));
        let mut agenda = Agenda::default();
        agenda.scanned(&Job::Everything, START, START.plus(1_000_000));
        agenda.add(request([1], &[]));
        agenda.add(listeners(5..7));
        agenda.add(listeners(6..8));
        let now = START.plus(1_000_000);
        assert_eq!(agenda.next(now), scan(5..8));
        agenda.scanned(&Job::Listeners(HashSet::new()), now, now.plus(1000));
        assert_eq!(agenda.next(now.plus(1000)), Next::Pause(Duration::from_nanos(49_999_000)), "for the connection");
        agenda.add(listeners(1..2000));
        assert_eq!(agenda.next(now.plus(1000)), Next::Pause(Duration::from_nanos(50_000)));
        assert_eq!(agenda.next(now.plus(51_000)), scan(1..1025), "no more at a time");
        assert_eq!(agenda.next(now.plus(50_000_000)), job(&[1], &[]));
    }
}
