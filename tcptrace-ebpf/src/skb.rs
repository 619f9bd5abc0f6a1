//! A socket buffer as the header code reads it.

use core::arch::asm;

use aya_ebpf::{
    bindings::{__sk_buff, bpf_hdr_start_off::BPF_HDR_START_NET},
    helpers::generated::{bpf_skb_load_bytes, bpf_skb_load_bytes_relative},
};
use tcptrace_ebpf::{
    ABSENT,
    headers::{Frame, fast_path::Linear},
};

use crate::{
    kernel_memory::{Memory as _, ScratchUser, number_of},
    maps::setting,
    socket,
};

/// The buffer for which a TC program runs.
#[derive(Clone, Copy)]
pub(crate) struct Skb {
    context: *const __sk_buff,
    /// Beginning and end of its linear part. To the verifier these are packet pointers: it accepts reads that a
    /// comparison with the end has shown to be within.
    data: u64,
    data_end: u64,
}

impl Skb {
    /// Returns the buffer of this context.
    #[inline(always)]
    pub(crate) fn of(context: *const __sk_buff) -> Self {
        // SAFETY: fields of the context.
        let (data, data_end) = unsafe { (u64::from((*context).data), u64::from((*context).data_end)) };
        Self { context, data, data_end }
    }

    /// Returns the context, for fields that are needed in one place only.
    #[inline(always)]
    pub(crate) fn context(&self) -> *const __sk_buff {
        self.context
    }

    /// Returns the address of the socket that sent it; 0 for none.
    #[inline(always)]
    pub(crate) fn socket(&self) -> u64 {
        // SAFETY: a field of the context.
        number_of(unsafe { (*self.context).__bindgen_anon_2.sk }.cast_const().cast(), ScratchUser::Tc)
    }

    /// Returns the inode number of the interface's network namespace; 0 if it cannot be read.
    #[inline(always)]
    pub(crate) fn netns(&self) -> u32 {
        if setting!(hints.dev) == ABSENT || setting!(socket.net_inum) == ABSENT {
            return 0;
        }
        // The context is the kernel's `struct sk_buff`.
        let Ok(device) = number_of(self.context.cast(), ScratchUser::Tc).read::<u64>(setting!(hints.dev)) else {
            return 0;
        };
        device.read::<u64>(setting!(hints.dev_net)).map_or(0, socket::inode)
    }

    /// Returns the index of the interface.
    #[inline(always)]
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: a field of the context.
        unsafe { (*self.context).ifindex }
    }
}

impl Frame for Skb {
    #[inline(always)]
    fn protocol(&self) -> u16 {
        // SAFETY: a field of the context.
        unsafe { (*self.context).protocol as u16 }
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.context).len }
    }

    #[inline(always)]
    unsafe fn copy_linear(&self, offset: u32, to: *mut u8, len: u32) -> bool {
        let from = self.context.cast();
        // SAFETY: the helper checks the buffer, and the caller the destination.
        unsafe { bpf_skb_load_bytes_relative(from, offset, to.cast(), len, BPF_HDR_START_NET) == 0 }
    }

    #[inline(always)]
    unsafe fn copy_any(&self, offset: u32, to: *mut u8, len: u32) -> bool {
        // SAFETY: as above.
        unsafe { bpf_skb_load_bytes(self.context.cast(), offset, to.cast(), len) == 0 }
    }
}

/// Reads a value of `$bits` bits at a constant offset. Headers need not be aligned, which Rust requires of pointers,
/// but neither the kernel's verifier nor its processors do.
macro_rules! load {
    ($bits:literal, $from:expr, $at:expr) => {{
        let value: u64;
        // SAFETY: the verifier accepts only programs that have compared `$from` with the end of the packet: see
        // `Linear::holds`.
        unsafe {
            asm!(
                concat!("{value} = *(u", $bits, " *)({from} + {at})"),
                value = lateout(reg) value,
                from = in(reg) $from,
                at = const $at,
                options(pure, readonly, nostack),
            );
        }
        value
    }};
}

impl Linear for Skb {
    #[inline(always)]
    fn holds(&self, bytes: usize) -> bool {
        self.data + bytes as u64 <= self.data_end
    }

    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        load!("8", self.data, AT) as u8
    }

    #[inline(always)]
    fn half<const AT: usize>(&self) -> u16 {
        load!("16", self.data, AT) as u16
    }

    #[inline(always)]
    fn word<const AT: usize>(&self) -> u32 {
        load!("32", self.data, AT) as u32
    }
}
