//! The counters of a socket: idle time, bytes left unread and unsent, round-trip times, retransmissions, and the peer's
//! window.

use aya_ebpf::helpers::generated::bpf_jiffies64;
use tcptrace_ebpf::{ABSENT, Counters, NO_COUNT};

use crate::{
    kernel_memory::Memory,
    maps::setting,
    tcp_states::{CLOSING, FIN_WAIT1, LAST_ACK},
};

/// Returns true if the socket has retransmitted a segment.
#[inline(always)]
pub(crate) fn has_retransmitted(socket: impl Memory) -> bool {
    let offset = setting!(socket.total_retrans);
    offset != ABSENT && !matches!(socket.read::<u32>(offset), Ok(0) | Err(_))
}

/// Reads the counters of a socket that leaves the state `old`. The numbers are read into the record in the ring and
/// computed there, with `pad` as temporary storage, since the stack has no room for them.
#[inline(always)]
pub(crate) fn read_into(socket: impl Memory, old: u8, counters: &mut Counters) {
    let Counters { idle_ms, unread, unsent, smoothed_rtt_us, min_rtt_us, retransmissions, peer_window, pad } = counters;
    let jiffy = setting!(jiffy_ns);
    if jiffy != 0 && socket.fill(idle_ms, setting!(socket.lsndtime)) && socket.fill(pad, setting!(socket.lrcvtime)) {
        // SAFETY: the helper has no arguments.
        let now = unsafe { bpf_jiffies64() } as u32;
        let idle = now.wrapping_sub(*idle_ms).min(now.wrapping_sub(*pad));
        *idle_ms = Counters::milliseconds(idle, jiffy);
    } else {
        *idle_ms = NO_COUNT;
    }
    if socket.fill(unread, setting!(socket.rcv_nxt)) && socket.fill(pad, setting!(socket.copied_seq)) {
        *unread = unread.wrapping_sub(*pad);
        // A FIN has a sequence number, too, but is not data.
        let bit = setting!(socket.done_bit) & 63;
        let word = if cfg!(target_endian = "little") { bit / 32 } else { 1 - bit / 32 };
        if *unread != 0 && socket.fill(pad, setting!(socket.flags) + word * 4) {
            *unread -= *pad >> (bit & 31) & 1;
        }
    } else {
        *unread = NO_COUNT;
    }
    if socket.fill(unsent, setting!(socket.write_seq)) && socket.fill(pad, setting!(socket.snd_nxt)) {
        *unsent = unsent.wrapping_sub(*pad);
        // In these states a FIN follows the data.
        if *unsent != 0 && matches!(old, FIN_WAIT1 | CLOSING | LAST_ACK) {
            *unsent -= 1;
        }
    } else {
        *unsent = NO_COUNT;
    }
    if matches!(*unsent, 0 | NO_COUNT) {
        *peer_window = NO_COUNT;
    } else {
        socket.fill(peer_window, setting!(socket.snd_wnd));
    }
    if socket.fill(smoothed_rtt_us, setting!(socket.srtt_us)) {
        *smoothed_rtt_us >>= 3;
    }
    socket.fill(min_rtt_us, setting!(socket.min_rtt_us));
    socket.fill(retransmissions, setting!(socket.total_retrans));
    *pad = 0;
}
