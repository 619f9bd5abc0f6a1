//! A stopped thread of another process.

use std::{fs, marker::PhantomData, ptr::null_mut};

use crate::{process::eventually, tracer::LIMIT};

/// The type of ptrace(2)'s requests, which differs between C libraries.
#[cfg(target_env = "musl")]
type Request = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// A thread that is stopped while all others of its process continue; it continues when this is dropped.
pub struct Stopped {
    tid: libc::pid_t,
    /// Only the thread that has stopped it can let it continue.
    _here: PhantomData<*const ()>,
}

impl Stopped {
    /// Stops the thread of this name in a process that this one has started.
    #[track_caller]
    pub fn thread(pid: u32, name: &str) -> Self {
        let mut tid = None;
        eventually("the thread", LIMIT, || {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process has threads");
            let threads = threads.map(|thread| thread.expect("a folder for each thread").path());
            let mut named = threads
                .filter(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim_end() == name));
            tid = named.next().and_then(|thread| thread.file_name()?.to_str()?.parse().ok());
            tid.is_some()
        });
        let stopped = Self { tid: tid.expect("it was found"), _here: PhantomData };
        stopped.ptrace(libc::PTRACE_SEIZE);
        stopped.ptrace(libc::PTRACE_INTERRUPT);
        let mut status = 0;
        // SAFETY: `status` lives as long as the call.
        let waited = unsafe { libc::waitpid(stopped.tid, &raw mut status, libc::__WALL) };
        assert!(waited == stopped.tid && libc::WIFSTOPPED(status), "{waited} {status:#x}");
        stopped
    }

    #[track_caller]
    fn ptrace(&self, request: Request) {
        // SAFETY: these requests read and write no memory of this process.
        let result = unsafe { libc::ptrace(request, self.tid, null_mut::<libc::c_void>(), null_mut::<libc::c_void>()) };
        assert_eq!(result, 0, "ptrace request {request:#x}: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // SAFETY: as above. If the process has gone, there is nothing to resume.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.tid, null_mut::<libc::c_void>(), null_mut::<libc::c_void>()) };
    }
}
