//! Programs of the tests' own on the tracepoint that the tracers use, and how often programs run.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::OnceLock,
};

/// `r0 = 0; exit`: each a `struct bpf_insn` (include/uapi/linux/bpf.h), whose code is the first byte.
const NOTHING: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

const TRACEPOINT: &CStr = c"inet_sock_set_state";
const LICENSE: &CStr = c"GPL";

// Of `enum bpf_cmd` and `enum bpf_prog_type`.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_ENABLE_STATS: libc::c_int = 32;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// The beginning of what `BPF_PROG_LOAD` takes.
#[repr(C)]
struct ProgramAttributes {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
}

/// What `BPF_RAW_TRACEPOINT_OPEN` takes.
#[repr(C)]
struct TracepointAttributes {
    name: u64,
    program: u32,
    pad: u32,
}

/// Keeps two programs that do nothing on `sock:inet_sock_set_state` for as long as this test binary runs.
///
/// The kernel calls a tracepoint's only program directly, and goes through a list where there are several: from one to
/// two and back it patches its own code. With two there already, tracers that come and go change the list alone, and so
/// do not touch what the tracers of other tests see.
pub(crate) fn keep_tracepoint_in_use() {
    static HELD: OnceLock<Vec<OwnedFd>> = OnceLock::new();
    HELD.get_or_init(|| {
        let hold = || attach().unwrap_or_else(|error| panic!("{TRACEPOINT:?} cannot be held: {error}"));
        (0..2).flat_map(|_| hold()).collect()
    });
}

/// Has the kernel count the runs of all programs until the descriptor is closed.
#[track_caller]
pub fn count_program_runs() -> OwnedFd {
    // BPF_STATS_RUN_TIME of `enum bpf_stats_type`.
    bpf(BPF_ENABLE_STATS, &0_u32).unwrap_or_else(|error| panic!("the runs of programs cannot be counted: {error}"))
}

/// A program that does nothing, attached; both descriptors.
fn attach() -> io::Result<[OwnedFd; 2]> {
    let program = bpf(
        BPF_PROG_LOAD,
        &ProgramAttributes {
            kind: BPF_PROG_TYPE_RAW_TRACEPOINT,
            instruction_count: NOTHING.len() as u32,
            instructions: NOTHING.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            log: [0; 2],
        },
    )?;
    let number = program.as_raw_fd() as u32;
    let attributes = TracepointAttributes { name: TRACEPOINT.as_ptr() as u64, program: number, pad: 0 };
    Ok([bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes)?, program])
}

/// bpf(2), where it gives a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are those of the command, and what they point to lives as long as the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    match libc::c_int::try_from(result) {
        // SAFETY: a new descriptor, which nobody else has.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
