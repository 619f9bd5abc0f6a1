//! State changes of TCP sockets, from the tracepoint `sock:inet_sock_set_state`, which runs before the state is written.

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_current_comm, bpf_ktime_get_boot_ns},
    macros::{raw_tracepoint, tracepoint},
    programs::{RawTracePointContext, TracePointContext},
};
use aya_log_ebpf::warn;
use tcptrace_ebpf::{
    Address, CountedStateRecord, FROM_SECOND, KIND_COUNTED_STATE, KIND_STATE, LOST_STATE, NO_ERROR_KNOWN, NO_UID,
    PF_EXITING, PF_KTHREAD, PROOF_DEFERRED, PROOF_RESTORED, PROOF_UNACCEPTED, RecordHeader, Skip, StateRecord,
    filter::Match, seen_changes,
};

use crate::{
    emit,
    maps::{PENDING, SEEN, setting},
    pending_states,
    socket::{self, Head},
    socket_counters, state_filter, task,
    tcp_states::{CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, LAST_ACK, LISTEN, SYN_RECV, SYN_SENT},
};

/// `IPPROTO_TCP`. MPTCP's and SCTP's sockets pass the same tracepoint.
const TCP: u16 = 6;

/// `sock:inet_sock_set_state` with its own arguments: `(const struct sock *sk, const int oldstate, const int newstate)`.
#[raw_tracepoint]
pub(crate) fn set_state(ctx: RawTracePointContext) -> i32 {
    if let Some(seen) = SEEN.get_ptr_mut(0) {
        // SAFETY: this CPU's own value. Of what can interrupt this, only the same two programs use it, and leave it whole.
        unsafe { (*seen).push(mark(&ctx), !is_of_task(&ctx)) };
    }
    if let Err(reason) = observe(&ctx, 0) {
        emit::count_skip(reason);
    }
    0
}

/// The second program at this tracepoint, attached behind [`set_state`], for the changes for which the kernel has skipped that.
#[raw_tracepoint]
pub(crate) fn set_state_2(ctx: RawTracePointContext) -> i32 {
    // SAFETY: as above.
    if SEEN.get_ptr_mut(0).is_some_and(|seen| unsafe { (*seen).take(mark(&ctx)) }) {
        return 0;
    }
    if let Err(reason) = observe(&ctx, FROM_SECOND) {
        emit::count_skip(reason);
    }
    0
}

/// Returns true for changes that only a task makes, by connect(), shutdown() or close().
#[inline(always)]
fn is_of_task(ctx: &RawTracePointContext) -> bool {
    matches!(ctx.arg::<i32>(2) as u8, SYN_SENT | FIN_WAIT1 | LAST_ACK)
}

#[inline(always)]
fn mark(ctx: &RawTracePointContext) -> u64 {
    seen_changes::mark(ctx.arg(0), ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8)
}

#[inline(always)]
fn observe(ctx: &RawTracePointContext, flags: u16) -> Result<(), Skip> {
    let socket: u64 = ctx.arg(0);
    if socket::protocol(socket)? != TCP {
        return Ok(());
    }
    let mut place = MaybeUninit::uninit();
    let head = Head::read(socket, &mut place)?;
    let (old, new) = (ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8);
    let (family, local_addr, remote_addr) = head.addresses();
    let mut record = StateRecord {
        header: RecordHeader { flags, ..header(socket, family) },
        netns: head.netns(),
        // Only a socket that is torn down has an error to tell.
        error: if new == CLOSE { socket::error(socket) } else { 0 },
        pid: 0,
        tid: 0,
        local_port: head.local_port(socket),
        remote_port: head.remote_port(),
        proof: if new == CLOSE { socket::proof(socket, head) | unaccepted(socket, old) } else { 0 }
            | opening(socket, old, new),
        old_state: old,
        new_state: new,
        comm: [0; 2],
        thread: [0; 2],
        local_addr,
        remote_addr,
        cgroup: 0,
        exit_code: 0,
        uid: socket::uid(socket, old),
    };
    record.proof |= socket::group(socket, old, &mut record.cgroup);
    report(ctx, &mut record, true);
    Ok(())
}

/// State changes where there is no BTF, from the tracepoint's own fields: no namespace, no error.
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
        header: header(field(&ctx, setting!(tracepoint.skaddr)), socket::family_of(&remote_addr)),
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
    report(&ctx, &mut record, false);
    0
}

/// A field of the tracepoint's record.
#[inline(always)]
fn field<T: Copy + Default>(ctx: &TracePointContext, offset: u32) -> T {
    // SAFETY: the helper checks the address; user space took the offset from the event's own description.
    unsafe { ctx.read_at::<T>(offset as usize) }.unwrap_or_default()
}

#[inline(always)]
fn header(socket: u64, family: u8) -> RecordHeader {
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    emit::header(LOST_STATE, KIND_STATE, family, socket, boot_ns)
}

/// Adds the task that made the change, and writes the record if it matches the filters.
#[inline(always)]
fn report(ctx: &impl EbpfContext, record: &mut StateRecord, btf: bool) {
    let answer = state_filter::matches(record, btf);
    if setting!(matches) != 0 && matches!(record.old_state, SYN_SENT | SYN_RECV) {
        pending_states::settle(record, answer);
    }
    // A socket that closes will get no port or peer any more, and a listener that is not bound gets its port only afterwards.
    if answer == Match::No || (answer == Match::Later && matches!(record.new_state, CLOSE | LISTEN)) {
        return;
    }
    let task = if btf { task::flags() } else { 0 };
    if owner_runs(record.old_state, record.new_state, record.error) && task & PF_KTHREAD == 0 {
        (record.pid, record.tid) = task::ids();
        if record.pid != 0 {
            // SAFETY: the record has room for TASK_COMM_LEN bytes; the helper clears them when it fails.
            unsafe { bpf_get_current_comm(record.comm.as_mut_ptr().cast(), 16) };
            if btf && record.tid != record.pid {
                task::name_process(&mut record.comm, &mut record.thread);
            }
            if task & PF_EXITING != 0 {
                record.proof |= task::exit_code(&mut record.exit_code);
            }
        }
    }
    if answer == Match::Yes {
        if btf && counts(record) {
            emit_counted(record);
        } else {
            emit::socket(record);
        }
    } else if PENDING.insert(&record.header.socket, record, 0).is_err() {
        emit::count_loss(LOST_STATE);
        warn!(ctx, "too many sockets are waiting for their port or their peer: a state change is lost");
    }
}

/// Returns true if the record needs the socket's counters: as it begins to close or has closed, and after a handshake with
/// retransmissions, so that later ones can be told from those.
#[inline(always)]
fn counts(record: &StateRecord) -> bool {
    match (record.old_state, record.new_state) {
        (SYN_SENT | SYN_RECV, ESTABLISHED) => socket_counters::has_retransmitted(record.header.socket),
        (ESTABLISHED, FIN_WAIT1 | CLOSE_WAIT) => true,
        (SYN_SENT | SYN_RECV | LISTEN | CLOSE, _) => false,
        (_, new) => new == CLOSE,
    }
}

/// Writes the record with the socket's counters.
#[inline(always)]
fn emit_counted(record: &StateRecord) {
    if let Some(mut entry) = emit::reserve::<CountedStateRecord>(LOST_STATE) {
        let place = entry.as_mut_ptr();
        // SAFETY: the ring has room for the record, any bytes are one, and each part is written before it is handed over.
        unsafe {
            core::ptr::copy_nonoverlapping(record, &raw mut (*place).state, 1);
            (*place).state.header.kind = KIND_COUNTED_STATE;
            socket_counters::read_into(record.header.socket, record.old_state, &mut (*place).counters);
        }
        emit::submit(entry);
    }
}

/// Evidence that no process ever accepted the socket. A socket that a process has closed still has its `struct socket` in these
/// states: close() removes it later.
#[inline(always)]
fn unaccepted(socket: u64, old: u8) -> u16 {
    if matches!(old, SYN_RECV | ESTABLISHED | CLOSE_WAIT) && socket::is_ownerless(socket) {
        PROOF_UNACCEPTED
    } else {
        0
    }
}

/// Evidence that there was no handshake: it was not necessary, or had not begun.
#[inline(always)]
fn opening(socket: u64, old: u8, new: u8) -> u16 {
    match (old, new) {
        (SYN_SENT, ESTABLISHED) if socket::is_in_repair(socket) => PROOF_RESTORED,
        (SYN_SENT, CLOSE) if socket::is_deferred(socket) => PROOF_DEFERRED,
        _ => 0,
    }
}

/// Returns true if the change runs in the context of the task that owns the socket. Otherwise `current` is any task that an
/// interrupt has hit or, on loopback, that of the other end.
#[inline(always)]
fn owner_runs(old: u8, new: u8, error: u32) -> bool {
    match (old, new) {
        (CLOSE, SYN_SENT | LISTEN) | (LISTEN, CLOSE) | (_, FIN_WAIT1 | LAST_ACK) => true,
        (SYN_SENT | ESTABLISHED | CLOSE_WAIT, CLOSE) => error == 0,
        _ => old == new,
    }
}
