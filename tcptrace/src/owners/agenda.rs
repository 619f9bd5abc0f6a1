//! What is to be scanned next, and when: requests gather until the last scan is paid for.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    time::Duration,
};

use crate::event::{BootTime, Endpoint};

/// After a scan that took T the next one begins no sooner than this many T later: at most 2 % of one processor.
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
    Connections {
        /// Which.
        ends: Vec<Ends>,
        /// Processes that probably hold them: the listener's. When these hold them all, no other process is looked at,
        /// which makes the scan many times cheaper, and only these can be among the owners.
        likely: Vec<u32>,
    },
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
    Connections {
        /// Which.
        ends: HashSet<Ends>,
        /// Who probably holds them.
        likely: BTreeSet<u32>,
    },
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
    job: Job,
    /// When the next scan may begin.
    earliest: BootTime,
}

impl Agenda {
    /// Adds a request to those that wait.
    pub(super) fn add(&mut self, request: Request) {
        let Request::Connections { ends: more, likely: probably } = request else {
            self.job = Job::Everything;
            return;
        };
        match &mut self.job {
            Job::Everything => return,
            Job::Nothing => {
                self.job =
                    Job::Connections { ends: more.into_iter().collect(), likely: probably.into_iter().collect() };
            }
            Job::Connections { ends, likely } => {
                ends.extend(more);
                likely.extend(probably);
            }
        }
        match &self.job {
            Job::Connections { ends, .. } if ends.is_empty() => self.job = Job::Nothing,
            Job::Connections { ends, .. } if ends.len() > MOST_SOCKETS => self.job = Job::Everything,
            _ => {}
        }
    }

    /// What is to be done now.
    pub(super) fn next(&mut self, now: BootTime) -> Next {
        match self.job {
            Job::Nothing => Next::Idle,
            _ if now < self.earliest => Next::Pause(Duration::from_nanos(self.earliest.since(now))),
            _ => Next::Scan(mem::take(&mut self.job)),
        }
    }

    /// A scan took from `began` to `ended`.
    pub(super) fn scanned(&mut self, began: BootTime, ended: BootTime) {
        self.earliest = ended.plus(ended.since(began).saturating_mul(PAUSE));
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
        Request::Connections { ends: ports.into_iter().map(ends).collect(), likely: likely.to_vec() }
    }

    fn job(ports: &[u16], likely: &[u32]) -> Next {
        Next::Scan(Job::Connections {
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
        agenda.scanned(START, START.plus(1000));
        agenda.add(Request::Everything);
        assert_eq!(agenda.next(START.plus(1000)), Next::Pause(Duration::from_nanos(50_000)));
        assert_eq!(agenda.next(START.plus(50_999)), Next::Pause(Duration::from_nanos(1)));
        assert_eq!(agenda.next(START.plus(51_000)), Next::Scan(Job::Everything));
    }

    #[test]
    fn nobody_is_woken_for_a_pause_without_requests() {
        let mut agenda = Agenda::default();
        agenda.scanned(START, START.plus(1000));
        assert_eq!(agenda.next(START.plus(1000)), Next::Idle);
    }

    #[test]
    fn a_clock_that_seems_to_stand_still_or_to_end_does_no_harm() {
        let mut agenda = Agenda::default();
        agenda.scanned(START.plus(1), START);
        agenda.add(Request::Everything);
        assert_eq!(agenda.next(START), Next::Scan(Job::Everything));
        agenda.scanned(BootTime(0), BootTime(u64::MAX));
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
        assert!(matches!(agenda.next(START), Next::Scan(Job::Connections { ends, .. }) if ends.len() == MOST_SOCKETS));
        agenda.add(request(1..=1024, &[]));
        agenda.add(request([1025], &[]));
        assert_eq!(agenda.next(START), Next::Scan(Job::Everything));
    }
}
