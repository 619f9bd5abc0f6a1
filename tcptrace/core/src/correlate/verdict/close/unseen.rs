//! FINs that may have been missed: what an end sent last was in no segment that was seen, though the other end has
//! acknowledged it, or it came before the first event.

use std::time::Duration;

use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::End,
    },
    verdict::CloseKind,
};

/// Maximum time from the ACK of a FIN to the end of the socket that receives it in FIN_WAIT2.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Returns true if an end may have closed its side unseen: no FIN of it was seen, but something that it sent was not seen, and no
/// state of a socket on this host tells.
pub(in crate::correlate) fn may_have_closed(conn: &Connection, side: Side) -> bool {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let states_tell = own.had_socket || other.had_socket || conn.is_self_connect();
    let open = conn.shows_all() && !states_tell && own.fin().is_none();
    let undecided = own.has_undecided_fin() || other.claimed().is_some();
    open && (undecided || misses_last_number(conn, side))
}

/// Returns true if a FIN of the end was not seen, but acknowledged by the other end in FIN_WAIT2: the kernel then replaces its
/// socket, which ends. One that has ended before answers data by a reset, and acknowledges nothing but a FIN
/// (tcp_timewait_state_process of net/ipv4/tcp_minisocks.c).
pub(in crate::correlate) fn has_unseen_fin(conn: &Connection, side: Side) -> bool {
    let other = conn.end(side.other());
    let reset = conn.ends.iter().any(|end| end.rst().is_some());
    let acked = conn.acked_unseen_fin().filter(|(of, _)| *of == side).map(|(_, at)| at);
    let ended = other.closed().filter(|_| other.is_in_fin_wait2() && !reset && conn.end(side).fin().is_none());
    acked.zip(ended).is_some_and(|(acked, closed)| closed.at <= acked + AT_ONCE && conn.end(side).misses_one_number())
}

/// Returns true if the last number of an end, which a FIN would have, was in no segment that was seen.
fn misses_last_number(conn: &Connection, side: Side) -> bool {
    let own = conn.end(side);
    // The first number is that of its SYN.
    let more_than_syn = own.sent > 1 || conn.mid_life;
    // Some captures have no data: what is missing is that, if it is more than one number.
    let has_data = conn.ends.iter().any(End::data_seen);
    more_than_syn && !own.saw_last_number() && (has_data || conn.mid_life || own.misses_one_number())
}

/// Returns true if an end may have closed its side, unseen, before the other end did: that one's FIN acknowledges what was not
/// seen.
pub(in crate::correlate) fn may_have_closed_first(conn: &Connection, side: Side) -> bool {
    let fin = conn.end(side.other()).fin();
    let acknowledged = fin.is_some_and(|fin| fin.acks() == conn.end(side).sent);
    acknowledged && may_have_closed(conn, side) && misses_last_number(conn, side)
}

/// Returns the end whose FIN may have been missed, if the verdict depends on it.
pub(in crate::correlate) fn missed_fin(conn: &Connection, kind: CloseKind) -> Option<Side> {
    let decisive = |side: &Side| match kind {
        CloseKind::Unfinished => conn.end(side.other()).fin().is_some(),
        // Whatever is longer is likely to be data.
        CloseKind::Reset if !conn.mid_life => conn.end(*side).misses_one_number(),
        _ => false,
    };
    [Side::First, Side::Second].into_iter().find(|side| decisive(side) && may_have_closed(conn, *side))
}
