//! Telling kernel threads from processes where the kernel programs cannot, since they know no offsets.

use std::{collections::HashMap, fs};

use tcptrace_ebpf::PF_KTHREAD;

use crate::event::Task;

/// What is known of processes already. Kernel threads live long, so their numbers are seldom used again.
#[derive(Debug, Default)]
pub struct KernelThreads(HashMap<u32, ()>);

impl KernelThreads {
    /// Whether the task is a kernel thread's. One that has ended meanwhile is judged by its name.
    pub fn contains(&mut self, task: &Task) -> bool {
        if self.0.contains_key(&task.pid) {
            return true;
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", task.pid));
        let kernel = match stat.as_deref().ok().and_then(flags) {
            Some(flags) => flags & u64::from(PF_KTHREAD) != 0,
            None => task.comm.bytes().starts_with(b"kworker/"),
        };
        if kernel {
            self.0.insert(task.pid, ());
        }
        kernel
    }
}

/// The field `flags` of `/proc/PID/stat`; the name before it may hold anything, parentheses too.
fn flags(stat: &str) -> Option<u64> {
    let (_name, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(6)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Comm;

    #[test]
    fn finds_the_flags_behind_any_name() {
        assert_eq!(flags("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0"), Some(2_129_984));
        assert_eq!(flags("77 (a) b (c) R 1 77 77 0 -1 4194304 90 0"), Some(4_194_304));
        assert_eq!(flags("77 (cut"), None);
    }

    #[test]
    fn this_process_is_no_kernel_thread_and_kthreadd_is_one() {
        let task = |pid| Task { pid, tid: pid, comm: Comm([0; 16]) };
        let mut threads = KernelThreads::default();
        assert!(!threads.contains(&task(std::process::id())));
        assert!(threads.contains(&task(2)));
    }
}
