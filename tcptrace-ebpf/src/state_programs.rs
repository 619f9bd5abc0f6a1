//! The programs at the tracepoint `sock:inet_sock_set_state`: two of the kind that this kernel allows, or without BTF
//! one.
//!
//! The kinds differ in how they access a socket. If the kernel tells the verifier the types of the tracepoint's
//! arguments, they load from it ([`Typed`]); otherwise they read through a helper; without BTF there are only the
//! tracepoint's own fields.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use tcptrace_ebpf::{Address, FROM_SECOND, NO_ERROR_KNOWN, NO_UID, Skip, StateRecord, seen_changes};

use crate::{
    emit,
    kernel_memory::{ScratchUser, Typed, number_of},
    maps::{SEEN, setting},
    set_state::{Change, header, observe, report},
    sock_common::{Head, family_of},
    socket,
    tcp_states::{FIN_WAIT1, LAST_ACK, SYN_SENT},
};

/// `IPPROTO_TCP`. MPTCP's and SCTP's sockets pass the same tracepoint.
const TCP: u16 = 6;

/// With typed arguments: `(const struct sock *sk, const int oldstate, const int newstate)`.
#[btf_tracepoint]
pub(crate) fn set_state_btf(ctx: BtfTracePointContext) -> i32 {
    let change = typed_change(&ctx, ScratchUser::FirstState);
    leave_mark(&change);
    observe_typed(&ctx, &change, 0);
    0
}

/// The second program at this tracepoint, which runs after [`set_state_btf`], for the changes for which the kernel
/// skips that.
#[btf_tracepoint]
pub(crate) fn set_state_btf_2(ctx: BtfTracePointContext) -> i32 {
    let change = typed_change(&ctx, ScratchUser::SecondState);
    if !take_mark(&change) {
        observe_typed(&ctx, &change, FROM_SECOND);
    }
    0
}

/// Like [`set_state_btf`], for kernels that refuse that.
#[raw_tracepoint]
pub(crate) fn set_state(ctx: RawTracePointContext) -> i32 {
    let change = change(&ctx);
    leave_mark(&change);
    observe_untyped(&ctx, &change, 0);
    0
}

/// Like [`set_state_btf_2`], after [`set_state`].
#[raw_tracepoint]
pub(crate) fn set_state_2(ctx: RawTracePointContext) -> i32 {
    let change = change(&ctx);
    if !take_mark(&change) {
        observe_untyped(&ctx, &change, FROM_SECOND);
    }
    0
}

#[inline(always)]
fn typed_change(ctx: &BtfTracePointContext, user: ScratchUser) -> Change {
    let socket = number_of(ctx.arg::<*const c_void>(0), user);
    Change { socket, old: ctx.arg::<i32>(1) as u8, new: ctx.arg::<i32>(2) as u8 }
}

#[inline(always)]
fn change(ctx: &RawTracePointContext) -> Change {
    Change { socket: ctx.arg(0), old: ctx.arg::<i32>(1) as u8, new: ctx.arg::<i32>(2) as u8 }
}

/// Tells the second program that the first one runs for this change.
#[inline(always)]
fn leave_mark(change: &Change) {
    if let Some(seen) = SEEN.get_ptr_mut(0) {
        // A task makes these changes by connect(), shutdown() or close(); others may be made by an interrupt.
        let is_of_task = matches!(change.new, SYN_SENT | FIN_WAIT1 | LAST_ACK);
        // SAFETY: this CPU's own value. Only these two programs use it; one that interrupts this leaves it consistent.
        unsafe { (*seen).push(mark(change), !is_of_task) };
    }
}

/// Returns true if the first program has run for this change.
#[inline(always)]
fn take_mark(change: &Change) -> bool {
    // SAFETY: as above.
    SEEN.get_ptr_mut(0).is_some_and(|seen| unsafe { (*seen).take(mark(change)) })
}

#[inline(always)]
fn mark(change: &Change) -> u64 {
    seen_changes::mark(change.socket, change.old, change.new)
}

#[inline(always)]
fn observe_typed(ctx: &BtfTracePointContext, change: &Change, flags: u16) {
    // `None` for sockets of other protocols.
    if let Some(socket) = Typed::tcp(ctx.arg(0)) {
        observe(ctx, change, socket, &socket, flags);
    }
}

#[inline(always)]
fn observe_untyped(ctx: &RawTracePointContext, change: &Change, flags: u16) {
    let observed = || -> Result<(), Skip> {
        if socket::protocol(change.socket)? == TCP {
            let mut place = MaybeUninit::uninit();
            observe(ctx, change, change.socket, Head::read(change.socket, &mut place)?, flags);
        }
        Ok(())
    };
    if let Err(reason) = observed() {
        emit::count_skip(reason);
    }
}

/// State changes without BTF, from the tracepoint's own fields: they have neither namespace nor error.
#[tracepoint]
pub(crate) fn set_state_tp(ctx: TracePointContext) -> u32 {
    if field::<u16>(&ctx, setting!(tracepoint.protocol)) != TCP {
        return 0;
    }
    let (old, new): (i32, i32) =
        (field(&ctx, setting!(tracepoint.oldstate)), field(&ctx, setting!(tracepoint.newstate)));
    let local_addr: Address = field(&ctx, setting!(tracepoint.saddr_v6));
    let remote_addr: Address = field(&ctx, setting!(tracepoint.daddr_v6));
    let mut record = StateRecord {
        header: header(field(&ctx, setting!(tracepoint.skaddr)), family_of(&remote_addr)),
        netns: 0,
        error: NO_ERROR_KNOWN,
        pid: 0,
        tid: 0,
        local_port: field(&ctx, setting!(tracepoint.sport)),
        remote_port: field(&ctx, setting!(tracepoint.dport)),
        proof: 0,
        old_state: old as u8,
        new_state: new as u8,
        comm: [0; 2],
        thread: [0; 2],
        local_addr,
        remote_addr,
        cgroup: 0,
        exit_code: 0,
        uid: NO_UID,
    };
    report::<u64>(&ctx, &mut record, None, false);
    0
}

/// Returns a field of the tracepoint's record; 0 if it cannot be read.
#[inline(always)]
fn field<T: Copy + Default>(ctx: &TracePointContext, offset: u32) -> T {
    // SAFETY: the helper checks the address; user space took the offset from the event's own description.
    unsafe { ctx.read_at::<T>(offset as usize) }.unwrap_or_default()
}
