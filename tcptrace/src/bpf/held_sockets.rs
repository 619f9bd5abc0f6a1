//! The sockets that processes hold, from an iterator of the kernel.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use aya::programs::Iter;
use tcptrace_ebpf::{HeldSocket, names};
use zerocopy::{FromBytes as _, Immutable, IntoBytes};

use super::{kernel::btf::AttachTarget, object::Object};

/// The kernel's iterator of all descriptors of all processes (since 5.8).
pub(super) const ITERATOR: &str = "task_file";

/// The target that its program attaches to.
pub(super) const TARGET: AttachTarget = AttachTarget::Iterator(ITERATOR);

/// Size of the buffer in bytes: twice what the kernel returns at once.
const BUFFER: usize = 1 << 16;

/// The iterator's program, loaded. It runs only during [`HeldSockets::read`].
#[derive(Debug)]
pub struct HeldSockets {
    program: OwnedFd,
}

impl HeldSockets {
    /// Takes the program out of the object, if the kernel has accepted it.
    pub(super) fn of(object: &mut Object) -> Option<Self> {
        let program: &mut Iter = object.ebpf.program_mut(names::HELD_SOCKETS)?.try_into().ok()?;
        let program = program.fd().ok()?.as_fd().try_clone_to_owned().ok()?;
        Some(Self { program })
    }

    /// Hands every socket that a process of this PID namespace holds to `take`, once for each of its descriptors.
    ///
    /// # Errors
    /// When the kernel refuses an iterator, as before Linux 5.19 for lack of rights, or reading fails.
    pub fn read(&self, take: impl FnMut(&HeldSocket)) -> io::Result<()> {
        read_records(self.start()?, take)
    }

    /// Starts another run of the iterator. aya's own function for this consumes the link, and needs the program itself.
    fn start(&self) -> io::Result<File> {
        let program = self.program.as_raw_fd() as u32;
        let create = LinkCreate { program, target: 0, attach_type: BPF_TRACE_ITER, flags: 0 };
        let link = new_descriptor(BPF_LINK_CREATE, &create)?;
        let create = IterCreate { link: link.as_raw_fd() as u32, flags: 0 };
        new_descriptor(BPF_ITER_CREATE, &create).map(File::from)
    }
}

/// Hands every record of a run of the iterator to `take`.
///
/// The kernel interrupts a read with `EAGAIN` after a million descriptors that are not sockets (`bpf_seq_read` of
/// kernel/bpf/bpf_iter.c); the next read continues there.
fn read_records(mut file: impl Read, mut take: impl FnMut(&HeldSocket)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut kept = 0;
    loop {
        let read = match file.read(buffer.get_mut(kept..).unwrap_or_default()) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error),
        };
        let mut rest = buffer.get(..kept + read).unwrap_or_default();
        while let Ok((held, after)) = HeldSocket::read_from_prefix(rest) {
            take(&held);
            rest = after;
        }
        // The kernel does not split records, but does not promise that either.
        let consumed = kept + read - rest.len();
        kept = rest.len();
        buffer.copy_within(consumed..consumed + kept, 0);
    }
}

// Commands of bpf(2) and their attributes (include/uapi/linux/bpf.h).
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_ITER_CREATE: libc::c_int = 33;

/// The attach type of iterators.
const BPF_TRACE_ITER: u32 = 28;

/// Attributes of [`BPF_LINK_CREATE`].
#[repr(C)]
#[derive(Immutable, IntoBytes)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// Attributes of [`BPF_ITER_CREATE`].
#[repr(C)]
#[derive(Immutable, IntoBytes)]
struct IterCreate {
    link: u32,
    flags: u32,
}

/// Calls bpf(2) for a command that returns a descriptor.
fn new_descriptor(command: libc::c_int, attributes: &(impl IntoBytes + Immutable)) -> io::Result<OwnedFd> {
    let attributes = attributes.as_bytes();
    // SAFETY: the kernel reads the attributes, whose size is passed, and takes further ones as zeros.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), attributes.len()) };
    let fd = RawFd::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just returned this descriptor, close-on-exec, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Answers of the kernel, one for each read.
    struct Answers(VecDeque<io::Result<Vec<u8>>>);

    impl Read for Answers {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.pop_front().unwrap_or_else(|| Ok(Vec::new()))?;
            to[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    fn inodes(answers: impl IntoIterator<Item = io::Result<Vec<u8>>>) -> (Vec<u64>, io::Result<()>) {
        let mut inodes = Vec::new();
        let outcome = read_records(Answers(answers.into_iter().collect()), |held| inodes.push(held.inode));
        (inodes, outcome)
    }

    fn record(inode: u64) -> Vec<u8> {
        HeldSocket { inode, pid: 1, reserved: 0, comm: [0; 16] }.as_bytes().to_vec()
    }

    #[test]
    fn reading_continues_after_many_descriptors_that_are_no_sockets() {
        let again = || Err(ErrorKind::WouldBlock.into());
        let (found, outcome) =
            inodes([again(), Ok(record(7)), again(), Err(ErrorKind::Interrupted.into()), Ok(record(8))]);
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(found, [7, 8]);
    }

    #[test]
    fn a_record_in_two_parts_is_put_together_and_other_errors_end_the_reading() {
        let both = [record(7), record(8)].concat();
        let (first, second) = both.split_at(40);
        let refused = Err(ErrorKind::PermissionDenied.into());
        let (found, outcome) = inodes([Ok(first.to_vec()), Ok(second.to_vec()), refused, Ok(record(9))]);
        assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::PermissionDenied));
        assert_eq!(found, [7, 8]);
    }
}
