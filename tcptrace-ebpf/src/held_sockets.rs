//! The sockets that processes hold: a program of the iterator `task_file`, which the kernel runs for every descriptor of every
//! process when user space reads from the iterator. Reading the same from `/proc/PID/fd` takes ten times as long.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::seq_file,
    helpers::generated::{bpf_probe_read_kernel, bpf_seq_write, bpf_sock_from_file},
};
use tcptrace_ebpf::HeldSocket;

use crate::maps::setting;

/// `struct bpf_iter__task_file` of kernel/bpf/task_iter.c.
#[repr(C)]
pub(crate) struct TaskFile {
    meta: *const Meta,
    task: *const u8,
    descriptor: u64,
    file: *const u8,
}

/// `struct bpf_iter_meta` of include/linux/bpf.h.
#[repr(C)]
struct Meta {
    seq: *mut seq_file,
}

/// Writes a [`HeldSocket`] if the file is a socket.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub(crate) extern "C" fn held_sockets(context: *const TaskFile) -> i32 {
    // SAFETY: the verifier knows the context, and checks each load.
    let (task, file) =
        unsafe { ((&raw const (*context).task).read_volatile(), (&raw const (*context).file).read_volatile()) };
    // The kernel runs this once more at the end, without either.
    if task.is_null() || file.is_null() {
        return 0;
    }
    // SAFETY: the verifier knows that this is a `struct file`.
    let socket = unsafe { bpf_sock_from_file(file.cast_mut().cast()) };
    if socket.is_null() {
        return 0;
    }
    if let Some(held) = held(task, socket.cast_const().cast()) {
        // SAFETY: as above. When the buffer is full, the kernel runs this again for the same file.
        unsafe {
            let meta = (&raw const (*context).meta).read_volatile();
            let seq = (&raw const (*meta).seq).read_volatile();
            bpf_seq_write(seq, (&raw const held).cast(), size_of::<HeldSocket>() as u32);
        }
    }
    0
}

/// Reads which process holds which socket; `None` if that is not readable.
#[inline(always)]
fn held(task: *const u8, socket: *const u8) -> Option<HeldSocket> {
    let leader: u64 = read(task, setting!(socket.group_leader))?;
    Some(HeldSocket {
        inode: read(socket, setting!(holders.inode))?,
        pid: read(task, setting!(holders.tgid))?,
        reserved: 0,
        comm: read(leader as *const u8, setting!(socket.task_comm))?,
    })
}

/// Reads kernel memory at an offset in bytes.
#[inline(always)]
fn read<T: Copy>(from: *const u8, offset: u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let from = from.wrapping_add(offset as usize);
    // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
    let result = unsafe { bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from.cast()) };
    // SAFETY: filled by the helper.
    if result == 0 { Some(unsafe { value.assume_init() }) } else { None }
}
