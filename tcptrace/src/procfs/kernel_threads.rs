//! Recognition of kernel threads by `/proc`, for kernels without BTF, where the kernel programs cannot recognise them.

use std::collections::HashSet;

use tcptrace_ebpf::PF_KTHREAD;

use super::stat::ProcessStat;
use tcptrace_core::event::Task;

/// The PIDs known to be kernel threads. These live long, so that their PIDs are seldom reused.
#[derive(Debug, Default)]
pub struct KernelThreads(HashSet<u32>);

impl KernelThreads {
    /// Returns true if the task is a kernel thread. One that has already ended is judged by its name.
    pub fn contains(&mut self, task: &Task) -> bool {
        if self.0.contains(&task.pid) {
            return true;
        }
        let kernel = match ProcessStat::of(task.pid) {
            Some(stat) => stat.flags & u64::from(PF_KTHREAD) != 0,
            None => task.comm.bytes().starts_with(b"kworker/"),
        };
        if kernel {
            self.0.insert(task.pid);
        }
        kernel
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcptrace_core::event::Comm;

    #[test]
    fn this_process_is_no_kernel_thread_and_kthreadd_is_one() {
        let task = |pid| Task { pid, tid: pid, comm: Comm([0; 16]), thread: None, exit: None };
        let mut threads = KernelThreads::default();
        assert!(!threads.contains(&task(std::process::id())));
        assert!(threads.contains(&task(2)));
    }
}
