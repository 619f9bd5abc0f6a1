//! Precedence over all threads of normal priority.

use std::marker::PhantomData;

/// While it lives, the calling thread is woken at once on a busy machine too: the kernel sends a delayed ACK after 40 ms, and a
/// normal thread of any priority may wait longer than that for a processor. The thread must not compute meanwhile.
/// Where the kernel allows no real-time threads, it changes nothing.
pub(crate) struct RealTime(PhantomData<*const ()>);

impl RealTime {
    /// Begins it for the calling thread.
    pub(crate) fn begin() -> Self {
        schedule(libc::SCHED_FIFO, 1);
        Self(PhantomData)
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        schedule(libc::SCHED_OTHER, 0);
    }
}

fn schedule(policy: libc::c_int, priority: libc::c_int) {
    // musl's function of that name does nothing.
    // SAFETY: 0 is the calling thread; the kernel's `struct sched_param` is the priority, which lives until the call returns.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
}
