//! Being run in time.

use log::debug;
use rustix::process::setpriority_process;

/// Where every processor is busy, a tracer with the same priority as what it traces gets too little time to keep up, and loses
/// what it does not get to. A higher one lets it have what it needs, which is little, when it needs it.
const NICE: i32 = -10;

/// Raises the priority of this thread: the one that takes records from the ring. Those that write, or look for processes,
/// keep theirs. Without the right to do that (CAP_SYS_NICE) everything stays as it is.
pub(super) fn raise() {
    if let Err(error) = setpriority_process(None, NICE) {
        debug!("the priority cannot be raised: {error}");
    }
}
