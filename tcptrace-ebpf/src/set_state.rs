//! Records of state changes of TCP sockets. The tracepoint `sock:inet_sock_set_state` runs before the state is written.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_current_comm, bpf_ktime_get_boot_ns},
};
use aya_log_ebpf::warn;
use tcptrace_ebpf::{
    CountedStateRecord, KIND_COUNTED_STATE, KIND_STATE, LOST_STATE, PF_EXITING, PF_KTHREAD, PROOF_DEFERRED,
    PROOF_LINGER2, PROOF_REPAIR, PROOF_RESTORED, PROOF_UNACCEPTED, RecordHeader, StateRecord, filter::Match,
};

use crate::{
    emit,
    kernel_memory::Memory,
    maps::{PENDING, setting},
    pending_states,
    sock_common::SockCommon,
    socket, socket_counters, state_filter, task,
    tcp_states::{CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, LAST_ACK, LISTEN, SYN_RECV, SYN_SENT},
};

/// One run of the tracepoint.
pub(crate) struct Change {
    /// Address of the socket, as a number.
    pub(crate) socket: u64,
    /// The state that it leaves.
    pub(crate) old: u8,
    /// The state that it enters.
    pub(crate) new: u8,
}

/// Records a change of a TCP socket, which is read through `socket` and `common`. `flags` are those of the record's
/// header.
#[inline(always)]
pub(crate) fn observe<M: Memory>(
    ctx: &impl EbpfContext,
    change: &Change,
    socket: M,
    common: &impl SockCommon,
    flags: u16,
) {
    let &Change { socket: number, old, new } = change;
    let (family, local_addr, remote_addr) = common.addresses();
    let mut record = StateRecord {
        header: RecordHeader { flags, ..header(number, family) },
        netns: common.netns(),
        // Errors matter only when a socket is torn down.
        error: if new == CLOSE { socket::error(socket) } else { 0 },
        pid: 0,
        tid: 0,
        local_port: common.local_port(socket),
        remote_port: common.remote_port(),
        proof: if new == CLOSE { socket::proof(socket, common) | unaccepted(number, old) } else { 0 }
            | silent(number, old, new),
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
    // Of itself, the kernel ends no half-closed socket that a process still holds, unless there is an error.
    let half_closed =
        matches!((old, new), (FIN_WAIT1 | FIN_WAIT2, CLOSE)) && record.error == 0 && !socket::has_fin(common);
    let aborted = half_closed && socket::is_held(socket);
    if aborted && socket::is_in_repair(number) {
        record.proof |= PROOF_REPAIR;
    }
    if half_closed && old == FIN_WAIT2 && socket::avoids_fin_wait2(socket) && socket::is_ownerless(number) {
        record.proof |= PROOF_LINGER2;
    }
    report(ctx, &mut record, Some(socket), aborted);
}

#[inline(always)]
pub(crate) fn header(socket: u64, family: u8) -> RecordHeader {
    // SAFETY: the helper has no arguments.
    let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
    emit::header(LOST_STATE, KIND_STATE, family, socket, boot_ns)
}

/// Adds the task that made the change, and writes the record if it matches the filters. `socket` is `None` without BTF;
/// `aborted`: a process ends a socket that it had half-closed before.
#[inline(always)]
pub(crate) fn report<M: Memory>(ctx: &impl EbpfContext, record: &mut StateRecord, socket: Option<M>, aborted: bool) {
    let btf = socket.is_some();
    let answer = state_filter::matches(record, btf);
    if setting!(matches) != 0 && matches!(record.old_state, SYN_SENT | SYN_RECV) {
        pending_states::settle(record, answer);
    }
    // A socket that closes gets neither port nor peer any more, and an unbound listener gets its port only after this
    // change.
    if answer == Match::No || (answer == Match::Later && matches!(record.new_state, CLOSE | LISTEN)) {
        return;
    }
    let task = if btf { task::flags::<M>() } else { 0 };
    if (aborted || owner_runs(record.old_state, record.new_state, record.error)) && task & PF_KTHREAD == 0 {
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
        match socket {
            Some(socket) if counts(record, socket) => emit_counted(record, socket),
            _ => emit::socket(record),
        }
    } else if PENDING.insert(&record.header.socket, record, 0).is_err() {
        emit::count_loss(LOST_STATE);
        warn!(ctx, "too many sockets are waiting for their port or their peer: a state change is lost");
    }
}

/// Returns true if the record needs the socket's counters: when it begins to close or has closed, and after a handshake
/// with retransmissions, to distinguish these from later ones.
#[inline(always)]
fn counts(record: &StateRecord, socket: impl Memory) -> bool {
    match (record.old_state, record.new_state) {
        (SYN_SENT | SYN_RECV, ESTABLISHED) => socket_counters::has_retransmitted(socket),
        (ESTABLISHED, FIN_WAIT1 | CLOSE_WAIT) => true,
        (SYN_SENT | SYN_RECV | LISTEN | CLOSE, _) => false,
        (_, new) => new == CLOSE,
    }
}

/// Writes the record with the socket's counters.
#[inline(always)]
fn emit_counted(record: &StateRecord, socket: impl Memory) {
    if let Some(mut entry) = emit::reserve::<CountedStateRecord>(LOST_STATE) {
        let place = entry.as_mut_ptr();
        // SAFETY: the reservation is as large as the record, for which any bytes are valid, and each part is written
        // before it is handed over.
        unsafe {
            core::ptr::copy_nonoverlapping(record, &raw mut (*place).state, 1);
            (*place).state.header.kind = KIND_COUNTED_STATE;
            socket_counters::read_into(socket, record.old_state, &mut (*place).counters);
        }
        emit::submit(entry);
    }
}

/// Returns evidence that no process ever accepted the socket. One that a process closes still has its `struct socket`
/// at these changes: close() removes it later.
#[inline(always)]
fn unaccepted(socket: u64, old: u8) -> u16 {
    if matches!(old, SYN_RECV | ESTABLISHED | CLOSE_WAIT) && socket::is_ownerless(socket) {
        PROOF_UNACCEPTED
    } else {
        0
    }
}

/// Returns evidence that nothing was sent: there was no handshake, since it was unnecessary or had not begun, or
/// close() removed a socket in TCP_REPAIR.
#[inline(always)]
fn silent(socket: u64, old: u8, new: u8) -> u16 {
    match (old, new) {
        (SYN_SENT, ESTABLISHED) if socket::is_in_repair(socket) => PROOF_RESTORED,
        (SYN_SENT, CLOSE) if socket::is_deferred(socket) => PROOF_DEFERRED,
        (ESTABLISHED | CLOSE_WAIT, CLOSE) if socket::is_in_repair(socket) => PROOF_REPAIR,
        _ => 0,
    }
}

/// Returns true if the change is made in the context of the task that owns the socket. Otherwise `current` is whatever
/// task an interrupt has hit or, on loopback, that of the other end.
#[inline(always)]
fn owner_runs(old: u8, new: u8, error: u32) -> bool {
    match (old, new) {
        (CLOSE, SYN_SENT | LISTEN) | (LISTEN, CLOSE) | (_, FIN_WAIT1 | LAST_ACK) => true,
        (SYN_SENT | ESTABLISHED | CLOSE_WAIT, CLOSE) => error == 0,
        _ => old == new,
    }
}
