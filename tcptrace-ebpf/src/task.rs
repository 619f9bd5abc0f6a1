//! The task that runs.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::bpf_pidns_info,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_ns_current_pid_tgid},
};

use crate::maps::setting;

/// IDs of the process and of the thread, as the PID namespace of user space numbers them: a task of another one has the
/// host's, which no file under user space's `/proc` has.
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
