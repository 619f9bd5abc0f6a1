//! The running task: its IDs, flags, exit code and name.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::bpf_pidns_info,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_ns_current_pid_tgid},
};
use tcptrace_ebpf::{ABSENT, PF_KTHREAD, PROOF_EXITING};

use crate::{kernel_memory::Memory, maps::setting};

/// Returns the IDs of the process and of the thread, as the PID namespace of user space numbers them. For a task
/// outside of it these are the host's IDs, which mean nothing under user space's `/proc`.
#[inline(always)]
pub(crate) fn ids() -> (u32, u32) {
    if setting!(pid_ns_inode) != 0 {
        let mut ids = MaybeUninit::<bpf_pidns_info>::zeroed();
        // SAFETY: the helper fills the structure, whose size it is told, or clears it when it fails.
        let result = unsafe {
            bpf_get_ns_current_pid_tgid(
                setting!(pid_ns_device),
                setting!(pid_ns_inode),
                ids.as_mut_ptr(),
                size_of::<bpf_pidns_info>() as u32,
            )
        };
        if result == 0 {
            // SAFETY: filled by the helper.
            let ids = unsafe { ids.assume_init() };
            return (ids.tgid, ids.pid);
        }
    }
    let ids = bpf_get_current_pid_tgid();
    ((ids >> 32) as u32, ids as u32)
}

/// Returns the flags of the running task; [`PF_KTHREAD`] if they cannot be read. A change by a kernel thread is
/// attributed to no process, since a worker makes it (MPTCP closes its subflows that way).
#[inline(always)]
pub(crate) fn flags<M: Memory>() -> u32 {
    M::current_task().read(setting!(socket.task_flags)).unwrap_or(PF_KTHREAD)
}

/// Reads the exit code of the running task, which is exiting: do_exit() of kernel/exit.c sets it before it closes the
/// task's files. Returns a `PROOF_` bit if it could be read.
#[inline(always)]
pub(crate) fn exit_code(code: &mut u32) -> u16 {
    if u64::current_task().fill(code, setting!(socket.exit_code)) { PROOF_EXITING } else { 0 }
}

/// Replaces the name of the running thread by that of its process, which is the name of the first thread, and keeps the
/// former in `thread`.
#[inline(always)]
pub(crate) fn name_process(comm: &mut [u64; 2], thread: &mut [u64; 2]) {
    if setting!(socket.group_leader) == ABSENT || setting!(socket.task_comm) == ABSENT {
        return;
    }
    if let Ok(leader) = u64::current_task().read::<u64>(setting!(socket.group_leader))
        && let Ok(name) = leader.read::<[u64; 2]>(setting!(socket.task_comm))
    {
        *thread = *comm;
        *comm = name;
    }
}
