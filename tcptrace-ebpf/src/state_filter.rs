//! The filters as they apply to a state change.

use tcptrace_ebpf::{
    MATCH_INTERFACES, StateRecord,
    filter::{self, End, Lists as _, Match},
};

use crate::{
    maps::{self, FilterMaps, setting},
    socket,
    tcp_states::{CLOSE, LISTEN, SYN_SENT},
};

/// Matches the change against the filters, as far as the socket's port, peer and route are known.
#[inline(always)]
pub(crate) fn matches(record: &StateRecord, btf: bool) -> Match {
    if setting!(matches) == 0 {
        return Match::Yes;
    }
    if btf && !maps::matches_netns(record.netns) {
        return Match::No;
    }
    let (old, new) = (record.old_state, record.new_state);
    let listener = new == LISTEN || (old, new) == (LISTEN, CLOSE);
    let answer = filter::ends(
        &FilterMaps,
        record.header.family,
        End { addr: &record.local_addr, port: record.local_port, known: record.local_port != 0 },
        End { addr: &record.remote_addr, port: record.remote_port, known: record.remote_port != 0 },
        listener,
    );
    if answer == Match::No || !btf || !filter::filtered(&FilterMaps, MATCH_INTERFACES) {
        return answer;
    }
    answer.min(on_interface(record, listener))
}

/// Matches the socket's interface against those named. A listener uses all of them; other sockets have no route yet in
/// their first state.
#[inline(always)]
fn on_interface(record: &StateRecord, listener: bool) -> Match {
    if record.netns != setting!(netns) {
        return Match::No;
    }
    if listener {
        return Match::Yes;
    }
    if record.new_state == SYN_SENT || record.old_state == LISTEN {
        return Match::Later;
    }
    Match::from(FilterMaps.has_interface(socket::interface(record.header.socket)))
}
