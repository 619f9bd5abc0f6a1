//! Scheduling priority of the thread that drains the ring.

use log::debug;
use rustix::process::setpriority_process;

/// The priority (nice(1)) of the thread that drains the ring. If all processors are busy, a tracer with the same priority as
/// the traced processes gets too little time to keep up, and loses records. It needs little time, but needs it soon.
const NICE: i32 = -10;

/// Raises the priority of the calling thread, which drains the ring; threads that exist already keep theirs. Without
/// CAP_SYS_NICE nothing changes.
pub(super) fn raise() {
    if let Err(error) = setpriority_process(None, NICE) {
        debug!("cannot raise the scheduling priority: {error}");
    }
}
