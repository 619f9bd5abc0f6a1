//! The ends that are left in TIME_WAIT.

use super::failed;
use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::Closed,
        },
        verdict::state_times,
    },
    tcp::TcpState::FinWait2,
    verdict::{CloseKind, TimeWait},
};

/// Returns the ends that enter TIME_WAIT: by the states of a socket if its end was seen, else by the kind of the close.
pub(super) fn time_wait(conn: &Connection, kind: CloseKind, initiator: Option<Side>) -> Option<TimeWait> {
    let by_kind = |side: Side| match kind {
        CloseKind::Simultaneous => true,
        CloseKind::ThreeSegment | CloseKind::FourSegment | CloseKind::Orderly => initiator == Some(side),
        CloseKind::Reset | CloseKind::TimedOut | CloseKind::Unfinished | CloseKind::Unseen => false,
    };
    let orderly = by_kind(Side::First) || by_kind(Side::Second);
    let holds = |side: Side| {
        let end = conn.end(side);
        // If a FIN_WAIT2 continued without its socket, only the other end's FIN shows that TIME_WAIT followed.
        let tells = |closed: &Closed| closed.from != FinWait2 || conn.end(side.other()).fin().is_some();
        let seen = end.closed().filter(|closed| orderly && !failed(*closed) && tells(closed));
        let by_states = seen.map(|_| state_times::ends_in_time_wait(conn, side));
        // An end that sends a reset leaves TIME_WAIT.
        let left = end.rst().is_some();
        by_states.unwrap_or_else(|| by_kind(side)) && !left
    };
    let client = conn.client_side();
    match (holds(client), holds(client.other())) {
        (true, true) => Some(TimeWait::Both),
        (true, false) => Some(TimeWait::Client),
        (false, true) => Some(TimeWait::Server),
        (false, false) => None,
    }
}
