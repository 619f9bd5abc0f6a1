//! The sockets that processes hold, by a program of the iterator `task_file`: the kernel runs it for every descriptor
//! of every process while user space reads from the iterator. Reading the same from `/proc/PID/fd` takes ten times as
//! long.

use aya_ebpf::{
    bindings::seq_file,
    helpers::generated::{bpf_seq_write, bpf_sock_from_file},
};
use tcptrace_ebpf::{HeldSocket, Skip};

use crate::{kernel_memory::Memory as _, maps::setting};

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
    // The kernel runs the program once more at the end, with neither.
    if task.is_null() || file.is_null() {
        return 0;
    }
    // SAFETY: the verifier knows that this is a `struct file`.
    let socket = unsafe { bpf_sock_from_file(file.cast_mut().cast()) };
    if socket.is_null() {
        return 0;
    }
    if let Ok(held) = held(task as u64, socket as u64) {
        // SAFETY: as above. If the buffer is full, the kernel runs the program again for the same file.
        unsafe {
            let meta = (&raw const (*context).meta).read_volatile();
            let seq = (&raw const (*meta).seq).read_volatile();
            bpf_seq_write(seq, (&raw const held).cast(), size_of::<HeldSocket>() as u32);
        }
    }
    0
}

/// Reads which process holds which socket, at the addresses of a task and of a `struct socket`.
///
/// # Errors
/// [`Skip::Unreadable`] if that faults.
#[inline(always)]
fn held(task: u64, socket: u64) -> Result<HeldSocket, Skip> {
    let leader: u64 = task.read(setting!(socket.group_leader))?;
    Ok(HeldSocket {
        inode: socket.read(setting!(holders.inode))?,
        pid: task.read(setting!(holders.tgid))?,
        reserved: 0,
        comm: leader.read(setting!(socket.task_comm))?,
    })
}
