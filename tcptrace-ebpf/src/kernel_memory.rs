//! Reads of kernel memory.
//!
//! A plain address is read through a helper, which checks it. If the verifier knows the type of a pointer, the program
//! loads from it as from its own memory, in a tenth of the time: in place of a fault the kernel then gives a zero.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::{
    bpf_get_current_task,
    generated::{bpf_get_current_task_btf, bpf_probe_read_kernel, bpf_skc_to_tcp_sock},
};
use tcptrace_ebpf::{ABSENT, NO_COUNT, Skip};

use crate::maps::SCRATCH;

/// The address of a structure of the kernel.
pub(crate) trait Memory: Copy {
    /// Returns the `struct task_struct` of the running task.
    fn current_task() -> Self;

    /// Reads the member at an offset in bytes.
    ///
    /// # Errors
    /// [`Skip::Unreadable`] if a helper reads and that faults.
    fn read<T: Copy>(self, offset: u32) -> Result<T, Skip>;

    /// Follows the pointer at an offset in bytes. `None` if it is null or cannot be read.
    fn follow(self, offset: u32) -> Option<Self>;

    /// Reads a number into its place, or [`NO_COUNT`] if it cannot be read or this kernel does not have it. Returns
    /// true if it was read.
    fn fill(self, place: &mut u32, offset: u32) -> bool;
}

/// An address about which the verifier knows nothing.
impl Memory for u64 {
    #[inline(always)]
    fn current_task() -> Self {
        // SAFETY: the helper has no arguments.
        unsafe { bpf_get_current_task() }
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: u32) -> Result<T, Skip> {
        let mut value = MaybeUninit::<T>::uninit();
        let from = self.wrapping_add(u64::from(offset)) as *const _;
        // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
        let result = unsafe { bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from) };
        // SAFETY: filled by the helper.
        if result == 0 { Ok(unsafe { value.assume_init() }) } else { Err(Skip::Unreadable) }
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Option<Self> {
        self.read(offset).ok().filter(|&address| address != 0)
    }

    #[inline(always)]
    fn fill(self, place: &mut u32, offset: u32) -> bool {
        let from = self.wrapping_add(u64::from(offset)) as *const _;
        let known = offset != ABSENT
            // SAFETY: the helper checks the source and fills the destination, or clears it when it fails.
            && unsafe { bpf_probe_read_kernel(core::ptr::from_mut(place).cast(), 4, from) } == 0;
        if !known {
            *place = NO_COUNT;
        }
        known
    }
}

/// A pointer whose type the verifier knows, so that it accepts only loads that fit a member.
#[derive(Clone, Copy)]
pub(crate) struct Typed(*const u8);

impl Typed {
    /// Returns the socket as a `struct tcp_sock`, if it is one. `socket` is a tracepoint's argument of type `struct
    /// sock *`.
    #[inline(always)]
    pub(crate) fn tcp(socket: *const u8) -> Option<Self> {
        // SAFETY: the verifier accepts nothing but a pointer to a socket.
        let socket = unsafe { bpf_skc_to_tcp_sock(socket.cast_mut().cast()) };
        if socket.is_null() { None } else { Some(Self(socket.cast())) }
    }

    /// Loads the member at an offset in bytes.
    #[inline(always)]
    pub(crate) fn load<T: Copy>(self, offset: u32) -> T {
        // SAFETY: the verifier has checked that there is a member of this size; a fault gives a zero. Volatile, so that
        // the compiler does not combine loads of several members.
        unsafe { self.0.add(offset as usize).cast::<T>().read_volatile() }
    }
}

impl Memory for Typed {
    #[inline(always)]
    fn current_task() -> Self {
        // SAFETY: the helper has no arguments.
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: u32) -> Result<T, Skip> {
        Ok(self.load(offset))
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Option<Self> {
        let pointer: *const u8 = self.load(offset);
        if pointer.is_null() { None } else { Some(Self(pointer)) }
    }

    #[inline(always)]
    fn fill(self, place: &mut u32, offset: u32) -> bool {
        *place = if offset == ABSENT { NO_COUNT } else { self.load(offset) };
        offset != ABSENT
    }
}

/// Programs that turn pointers into numbers. Each has a place of its own, since one may interrupt another.
#[derive(Clone, Copy)]
pub(crate) enum ScratchUser {
    /// Either of the TC programs, which do not interrupt each other.
    Tc,
    /// The first program for state changes.
    FirstState,
    /// The second program for state changes.
    SecondState,
}

impl ScratchUser {
    /// Number of users.
    pub(crate) const COUNT: u32 = Self::SecondState as u32 + 1;
}

/// Returns a kernel pointer as a number: the verifier lets programs compute with numbers only, and compare them.
#[inline(always)]
pub(crate) fn number_of(pointer: *const c_void, user: ScratchUser) -> u64 {
    // SAFETY: the place belongs to this processor and this program.
    SCRATCH.get_ptr_mut(user as u32).map_or(0, |number| unsafe {
        number.write_volatile(pointer as u64);
        number.read_volatile()
    })
}
