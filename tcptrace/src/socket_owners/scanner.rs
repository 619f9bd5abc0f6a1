//! The thread that scans, so that nobody waits for it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use log::{Level, debug, log, warn};
use rustix::process::setpriority_process;
use tokio::sync::mpsc;

use super::{
    OwnersError, Snapshot,
    scan::Scan,
    scan_schedule::{Agenda, Job, Next, Request},
};
use crate::host_clock;
use crate::privileges::{Duty, reduce};

/// The lowest of priorities (`nice`).
const NICEST: i32 = 19;

/// Finds the owners of sockets on a thread of its own, which ends some time after this is dropped; neither dropping it nor
/// the end of the process waits for it.
#[derive(Debug)]
pub struct Scanner {
    shared: Arc<Shared>,
    snapshots: mpsc::Receiver<Snapshot>,
}

impl Scanner {
    /// Starts the thread, in the network namespace of this one, and with those of its rights that it needs. It waits for
    /// requests.
    ///
    /// # Errors
    /// When `/proc` or netlink cannot be used, or no thread be started. Tracing can go on without.
    pub fn start() -> Result<Self, OwnersError> {
        let scan = Scan::open()?;
        let shared = Arc::new(Shared::default());
        // With one of them not taken yet, nobody needs a newer one.
        let (sender, snapshots) = mpsc::channel(1);
        let worker =
            Worker { shared: Arc::clone(&shared), scan, snapshots: sender, told_of_hidden: false, failed: false };
        thread::Builder::new().name("owners".into()).spawn(|| worker.run()).map_err(OwnersError::Thread)?;
        Ok(Self { shared, snapshots })
    }

    /// Asks for sockets; at once and without waiting. Requests that are made while a scan runs, or while its share of the
    /// processor does not allow for the next, are answered together.
    pub fn request(&self, request: Request) {
        self.shared.state().agenda.add(request);
        self.shared.changed.notify_one();
    }

    /// Waits for the next scan to end: one for all requests that were made before it began. Nothing comes of a scan that
    /// failed, which is logged. It may be dropped and called again at any time.
    pub async fn next(&mut self) -> Snapshot {
        match self.snapshots.recv().await {
            Some(snapshot) => snapshot,
            None => {
                debug!("the thread that looks for owners of sockets has ended");
                std::future::pending().await
            }
        }
    }
}

#[cfg(test)]
impl Scanner {
    /// Lives no longer than the scanner and its thread.
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

/// What the scanner and its thread have in common.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    agenda: Agenda,
    /// Nobody wants anything any more.
    dropped: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do; None when nothing is left to be done.
    fn job(&self) -> Option<Job> {
        let mut state = self.state();
        while !state.dropped {
            state = match state.agenda.next(host_clock::now()) {
                Next::Scan(job) => return Some(job),
                Next::Idle => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Next::Pause(time) => self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        None
    }
}

struct Worker {
    shared: Arc<Shared>,
    scan: Scan,
    snapshots: mpsc::Sender<Snapshot>,
    told_of_hidden: bool,
    /// A scan has failed, and the user knows.
    failed: bool,
}

impl Worker {
    fn run(mut self) {
        // In Linux this is about the calling thread alone.
        if let Err(error) = setpriority_process(None, NICEST) {
            debug!("the search for owners of sockets runs at normal priority: {error}");
        }
        reduce(Duty::Owners);
        while let Some(job) = self.shared.job() {
            let began = host_clock::now();
            let result = self.scan.run(&job, began);
            let ended = host_clock::now();
            self.shared.state().agenda.scanned(&job, began, ended);
            match result {
                Ok(snapshot) => {
                    let Snapshot { sockets, listeners, .. } = &snapshot;
                    let took = ended.since(began) / 1000;
                    debug!("{} sockets and their owners, {} listeners in {took} µs", sockets.len(), listeners.len());
                    self.tell_of_hidden(&snapshot);
                    if self.snapshots.blocking_send(snapshot).is_err() {
                        return;
                    }
                }
                Err(error) => self.tell_of_failure(&error),
            }
        }
    }

    /// Says once that an owner was not found, if rights may be the reason.
    fn tell_of_hidden(&mut self, snapshot: &Snapshot) {
        if !self.told_of_hidden && snapshot.lacks_owners() {
            self.told_of_hidden = true;
            warn!(
                "the owners of some sockets stay unknown, since some processes may not be looked at: that takes root \
                 outside of any container, or the capabilities cap_sys_ptrace and cap_dac_read_search"
            );
        }
    }

    /// The first time as a warning; it is likely to be the same each time.
    fn tell_of_failure(&mut self, error: &OwnersError) {
        let level = if self.failed { Level::Debug } else { Level::Warn };
        self.failed = true;
        log!(level, "the owners of sockets are known only where their own events tell them: {error}");
    }
}
