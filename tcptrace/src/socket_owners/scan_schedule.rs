//! Schedule of scans: requests are collected until the pause after the last scan is over.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    time::Duration,
};

use super::sock_diag_reply::Socket;
use tcptrace_core::event::{BootTime, Endpoint};

/// Length of the pause after a scan, as a multiple of the time it took: scans take at most 2 % of one processor.
const PAUSE_FACTOR: u64 = 50;

/// Maximum number of sockets looked up one by one. Beyond that, listing all of them is cheaper, and memory stays bounded.
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
        /// Time at which the first of them was requested.
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
    /// The sockets that make no progress, and those that make progress again. Their owners are not looked up.
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
    /// Find all listeners, which tracing waits for.
    Listening,
    /// Find all sockets when tracing begins.
    AtStart {
        /// Sockets of other network namespaces.
        elsewhere: Vec<Socket>,
        /// Time at which the first of them was requested.
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
    /// True if all listeners are requested.
    listening: bool,
    /// The pending requests for sockets and their owners.
    job: Job,
    /// Time from which `job` may run.
    earliest: BootTime,
    /// Connections whose listeners are requested, at most [`MAX_SOCKETS`].
    listeners: HashSet<FourTuple>,
    /// Time from which listeners may be looked up.
    listeners_earliest: BootTime,
    /// True if sockets that make no progress are requested.
    stuck: bool,
    /// Time from which these may be looked up.
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
            // This runs once, and everything else waits for it.
            Job::Listening => return,
            Job::Listeners(_) => &mut self.listeners_earliest,
            Job::Stuck => &mut self.stuck_earliest,
            Job::Nothing | Job::Everything | Job::AtStart { .. } | Job::Connections { .. } => &mut self.earliest,
        };
        *earliest = ended.plus(ended.since(began).saturating_mul(PAUSE_FACTOR));
    }
}

#[cfg(test)]
mod tests;
