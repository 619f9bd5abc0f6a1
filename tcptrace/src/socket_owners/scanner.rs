//! The thread that runs scans.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use log::{Level, debug, log};
use rustix::process::setpriority_process;
use tokio::sync::mpsc;

use super::{
    OwnersError, Snapshot,
    scan::Scan,
    scan_schedule::{Job, NextScan, Request, ScanSchedule},
};
use crate::{
    bpf::HeldSockets,
    causes::with_causes,
    host_clock,
    privileges::{Duty, reduce},
};

/// The lowest scheduling priority (nice(1)).
const LOWEST_PRIORITY: i32 = 19;

/// Finds the owners of sockets on a thread of its own. The thread ends some time after this is dropped; neither dropping it
/// nor exiting the process waits for that.
#[derive(Debug)]
pub struct Scanner {
    shared: Arc<Shared>,
    /// Results of scans; `None` for one that failed.
    snapshots: mpsc::Receiver<Option<Snapshot>>,
}

impl Scanner {
    /// Starts the thread, which drops the rights it does not need and waits for requests. It scans the network namespace of
    /// the calling thread. `listed` is the kernel's list of the sockets that processes hold, if it has one.
    ///
    /// # Errors
    /// When `/proc` or netlink cannot be used, or the thread cannot be started. Tracing works without it.
    pub fn start(listed: Option<HeldSockets>) -> Result<Self, OwnersError> {
        let scan = Scan::open(listed)?;
        let shared = Arc::new(Shared::default());
        // While a snapshot waits to be taken, a newer one is useless.
        let (sender, snapshots) = mpsc::channel(1);
        let worker = Worker { shared: Arc::clone(&shared), scan, snapshots: sender, failed: false };
        thread::Builder::new().name("owners".into()).spawn(|| worker.run()).map_err(OwnersError::Thread)?;
        Ok(Self { shared, snapshots })
    }

    /// Requests sockets, without blocking. Requests made during a scan, or in the pause after it, are answered together.
    pub fn request(&self, request: Request) {
        self.shared.state().schedule.add(request);
        self.shared.changed.notify_one();
    }

    /// Waits for the result of the next scan, which answers all requests made before it began. A scan that fails is logged
    /// and has no result. Cancel safe.
    pub async fn next(&mut self) -> Snapshot {
        loop {
            match self.snapshots.recv().await {
                Some(Some(snapshot)) => return snapshot,
                Some(None) => {}
                None => {
                    debug!("the thread that looks for the owners of sockets has ended");
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Waits for the end of the next scan. Returns its result, if it does not fail.
    pub async fn try_next(&mut self) -> Option<Snapshot> {
        self.snapshots.recv().await.flatten()
    }
}

#[cfg(test)]
impl Scanner {
    /// State shared with the thread, alive as long as either the scanner or the thread is.
    pub(super) fn shared(&self) -> &Arc<impl Sized + use<>> {
        &self.shared
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.shared.state().dropped = true;
        self.shared.changed.notify_one();
    }
}

/// State shared by the scanner and its thread.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    schedule: ScanSchedule,
    /// True if the [`Scanner`] has been dropped.
    dropped: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next job; returns `None` once the scanner has been dropped.
    fn job(&self) -> Option<Job> {
        let mut state = self.state();
        while !state.dropped {
            state = match state.schedule.next(host_clock::now()) {
                NextScan::Now(job) => return Some(job),
                NextScan::Idle => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                NextScan::After(time) => {
                    self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        None
    }
}

struct Worker {
    shared: Arc<Shared>,
    scan: Scan,
    snapshots: mpsc::Sender<Option<Snapshot>>,
    /// True if a scan has failed, which has been logged.
    failed: bool,
}

impl Worker {
    fn run(mut self) {
        reduce(Duty::Owners);
        let mut is_lowest = false;
        while let Some(job) = self.shared.job() {
            // Tracing waits for the first list of listeners, and must not wait for a thread of the lowest priority.
            if !is_lowest && job != Job::Listening {
                is_lowest = true;
                // On Linux this affects only the calling thread.
                if let Err(error) = setpriority_process(None, LOWEST_PRIORITY) {
                    debug!("the search for owners of sockets runs at normal priority: {error}");
                }
            }
            let (began, used_before) = (host_clock::now(), host_clock::thread_time());
            let result = self.scan.run(&job, began);
            let (ended, used) = (host_clock::now(), host_clock::thread_time().saturating_sub(used_before));
            // On a busy machine, a scan at the lowest priority takes long but costs no more.
            self.shared.state().schedule.scanned(&job, ended.minus(host_clock::nanoseconds(used)), ended);
            let snapshot = match result {
                Ok(snapshot) => {
                    let Snapshot { sockets, listeners, stuck, .. } = &snapshot;
                    let took = ended.since(began) / 1000;
                    if job == Job::Stuck {
                        debug!("{} sockets may make no progress, found in {took} µs", stuck.len());
                    } else {
                        debug!(
                            "{} sockets and their owners, {} listeners in {took} µs",
                            sockets.len(),
                            listeners.len()
                        );
                    }
                    Some(snapshot)
                }
                Err(error) => {
                    self.report_failure(&error);
                    None
                }
            };
            // An empty result needs no wake-up.
            if job == Job::Stuck && snapshot.as_ref().is_none_or(|snapshot| snapshot.stuck.is_empty()) {
                continue;
            }
            if self.snapshots.blocking_send(snapshot).is_err() {
                return;
            }
        }
    }

    /// Logs a failed scan, only the first time as a warning: further failures are likely to be the same.
    fn report_failure(&mut self, error: &OwnersError) {
        let level = if self.failed { Level::Debug } else { Level::Warn };
        self.failed = true;
        log!(level, "cannot look up the owners of sockets, only events tell them: {}", with_causes(error));
    }
}
