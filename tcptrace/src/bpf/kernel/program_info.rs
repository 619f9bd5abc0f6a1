//! The kernel's facts about a loaded program, from `/proc/self/fdinfo`.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::FileExt as _,
    },
};

use aya::programs::{ProgramError, ProgramFd};

/// A program's `/proc/self/fdinfo`. Each read returns current values.
#[derive(Debug)]
pub struct ProgramInfo(File);

impl ProgramInfo {
    /// Opens it; `None` if `/proc` cannot be read.
    pub(in crate::bpf) fn of(program: Result<&ProgramFd, ProgramError>) -> Option<Self> {
        let fd = program.ok()?.as_fd().as_raw_fd();
        File::open(format!("/proc/self/fdinfo/{fd}")).ok().map(Self)
    }

    /// Returns the number of times that the kernel skipped the program because it was already running on that
    /// processor; `None` if the kernel does not count them (before 5.12).
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn skipped_runs(&self) -> io::Result<Option<u64>> {
        self.field("recursion_misses")
    }

    /// Returns true if the program was compiled to machine code; `None` if the kernel does not say.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn is_compiled(&self) -> io::Result<Option<bool>> {
        Ok(self.field("prog_jited")?.map(|jited| jited != 0))
    }

    fn field(&self, name: &str) -> io::Result<Option<u64>> {
        let mut text = [0; 1024];
        let read = self.0.read_at(&mut text, 0)?;
        Ok(number(text.get(..read).unwrap_or_default(), name))
    }
}

fn number(fdinfo: &[u8], name: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(fdinfo);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        let text =
            b"pos:\t0\nflags:\t02000002\nprog_type:\t17\nprog_jited:\t1\nrecursion_misses:\t203\nverified_insns:\t9\n";
        assert_eq!([number(text, "recursion_misses"), number(text, "prog_jited")], [Some(203), Some(1)]);
    }

    #[test]
    fn older_kernels_do_not_count() {
        assert_eq!(number(b"pos:\t0\nprog_type:\t17\n", "recursion_misses"), None);
        assert_eq!(number(b"recursion_misses:\tmany\n", "recursion_misses"), None);
    }
}
