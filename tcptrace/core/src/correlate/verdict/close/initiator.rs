//! Which end began to close.

use super::{Fins, is_silent, may_have_closed_first, missed_fin};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::Fin,
    },
    event::BootTime,
    tcp::TcpState::{self, CloseWait, FinWait1, FinWait2},
    verdict::CloseKind,
};

/// Returns the end that closed first by its FIN, unless the other one may have done so before, or has, unseen.
pub(super) fn by_fins(conn: &Connection, fins: &Fins) -> Option<Side> {
    let (side, fin) = fins.first?;
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let answers = own.has_received_fin() && own.entered(FinWait1).is_none();
    let before = |state| other.seen_to_enter(state).is_some_and(|at| at <= fin.sent.first);
    let closed_before = before(FinWait2) || before(FinWait1) && other.misses_one_number() && fin.acks() == other.sent;
    match fins.second {
        None if answers || closed_before => Some(side.other()),
        None if may_have_closed_first(conn, side.other()) => None,
        _ => Some(side),
    }
}

/// Returns the end that began to close: the sender of the first FIN, if there was one before the reset.
pub(super) fn first_of(conn: &Connection, fins: &Fins, reset: Option<(Side, BootTime)>) -> Option<Side> {
    let (side, at) = reset?;
    let seen_reset = conn.end(side).rst().filter(|rst| rst.seen);
    let before = |fin: &Fin| seen_reset.map_or(fin.sent.first <= at, |rst| rst.context.after_fin);
    let by_fin = fins.first.filter(|(_, fin)| before(fin)).map(|(side, _)| side);
    // If segments are not recorded, a state shows that a FIN was about to be sent.
    let seen = |side: &Side| conn.end(*side).seen_to_enter(FinWait1).is_some();
    // One that was not seen arrived if the state of either end says so.
    let entered = |side: Side, state| conn.end(side).seen_to_enter(state).is_some_and(|entered| entered <= at);
    let arrived = |side: &Side| entered(*side, FinWait2) || entered(side.other(), CloseWait);
    let by_state = by_states(conn).filter(|side| seen(side) && !conn.has_segments || arrived(side));
    // The other end may have closed before, unseen.
    let unseen = missed_fin(conn, CloseKind::Reset) == Some(side.other());
    by_fin.or(by_state).or((!unseen).then_some(side))
}

/// Returns the end that closed first by its states: it was in FIN_WAIT1, before the other one, and never in CLOSE_WAIT, or
/// vanished without any segment.
pub(super) fn by_states(conn: &Connection) -> Option<Side> {
    let first = |is: &dyn Fn(Side) -> bool| [Side::First, Side::Second].into_iter().find(|&side| is(side));
    // In CLOSING, the FINs may have crossed, or its own may have waited behind data.
    if conn.ends.iter().any(|end| end.entered(TcpState::Closing).is_some()) {
        return None;
    }
    // Both, if the FINs of two sockets do not leave.
    let closed = |side: Side| Some((conn.end(side).entered(FinWait1)?, side));
    let closed = [Side::First, Side::Second].into_iter().filter_map(closed).min_by_key(|&(at, _)| at);
    closed
        .map(|(_, side)| side)
        .or_else(|| first(&|side| conn.end(side).entered(CloseWait).is_some()).map(Side::other))
        .or_else(|| first(&|side| is_silent(conn, side)))
}
