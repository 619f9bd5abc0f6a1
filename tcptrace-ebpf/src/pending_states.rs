//! State changes that wait in a map until their sockets have a port or a peer.

use tcptrace_ebpf::{
    LOST_STATE, StateRecord,
    filter::{self, End, Match},
    pending::Taken,
};

use crate::{
    emit,
    maps::{FilterMaps, PENDING},
};

/// Settles the waiting change of a socket by its next one, which shows whether it matches. The record is copied from
/// the map directly to the ring, since the stack has no room for it.
#[inline(always)]
pub(crate) fn settle(record: &StateRecord, answer: Match) {
    // SAFETY: no program writes to a value while it is in the map.
    let Some(pending) = (unsafe { PENDING.get(&record.header.socket) }) else { return };
    // The waiting change may be of an earlier socket at the same address.
    if answer == Match::Yes
        && pending.new_state == record.old_state
        && let Some(mut entry) = emit::reserve::<StateRecord>(LOST_STATE)
    {
        entry.write(*pending);
        // SAFETY: it has just been written.
        let pending = unsafe { entry.assume_init_mut() };
        pending.local_port = record.local_port;
        pending.remote_port = record.remote_port;
        pending.remote_addr = record.remote_addr;
        pending.local_addr = record.local_addr;
        pending.header.family = record.header.family;
        pending.header.lost = record.header.lost;
        match Taken::of(PENDING.remove(&record.header.socket)) {
            Taken::Here => emit::submit(entry),
            Taken::Elsewhere => entry.discard(0),
            Taken::Nowhere => {
                entry.discard(0);
                emit::count_loss(LOST_STATE);
            }
        }
        return;
    }
    let _ = PENDING.remove(&record.header.socket);
}

/// Settles the waiting SYN_SENT of a socket by its SYN, which has matched the filters in one direction at least.
#[inline(always)]
pub(crate) fn settle_by_syn(socket: u64, local_port: u16) {
    // SAFETY: no program writes to a value while it is in the map.
    let Some(mut pending) = (unsafe { PENDING.get(&socket) }).copied() else { return };
    let taken = Taken::of(PENDING.remove(&socket));
    if taken == Taken::Elsewhere {
        return;
    }
    pending.header.lost = emit::lost(LOST_STATE);
    pending.local_port = local_port;
    let local = End { addr: &pending.local_addr, port: pending.local_port, known: true };
    let remote = End { addr: &pending.remote_addr, port: pending.remote_port, known: true };
    if filter::ends(&FilterMaps, pending.header.family, local, remote, false) != Match::Yes {
        return;
    }
    match taken {
        Taken::Here => emit::socket(&pending),
        Taken::Elsewhere | Taken::Nowhere => emit::count_loss(LOST_STATE),
    }
}
