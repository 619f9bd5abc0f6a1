//! What passes behind a reset: it shows whether the end in whose name the reset came has sent it, and whether the other end has
//! accepted it.

use super::{gaps::end_of, learn::is_old};
use crate::{
    correlate::{
        receiver::{Accepted, ack_of, new_behind_reset, signed_offset},
        table::connection::{Connection, Side},
    },
    event::Segment,
    tcp::TcpFlags,
};

/// Notes that the end `from`, of which a reset was seen, sends a segment that acknowledges the other end's numbers up
/// to the offset `acked`.
pub(super) fn go_on_behind_reset(
    conn: &mut Connection,
    from: Side,
    segment: &Segment,
    accepted: &Accepted,
    acked: Option<u64>,
    full: bool,
) {
    let other = conn.end(from.other());
    let (confirmed, elsewhere) = (other.closed().is_some(), !other.had_socket && !other.here);
    let acks = ack_of(&segment.header).map(|ack| other.offset(ack)).filter(|acks| full && *acks <= other.sent);
    let new_behind_reset = new_behind_reset(conn, from, segment, full);
    let own = conn.end_mut(from);
    own.outlives_reset(new_behind_reset, acks.unwrap_or_default(), segment.at);
    match accepted.payload {
        _ if confirmed => {}
        Some(payload) => {
            let end = segment.header.seq.add(payload + u32::from(accepted.fin));
            own.goes_on_behind_reset(Some(end), acked.unwrap_or_default(), elsewhere);
        }
        // The other end has it already.
        None if is_old(own, segment) => own.goes_on_behind_reset(None, 0, elsewhere),
        // Nobody takes it any more, but it is what an end sends that has not reset.
        None if new_behind_reset.is_some() => own.goes_on_behind_reset(new_behind_reset, 0, elsewhere),
        None => {}
    }
}

/// Withdraws a reset of the other end whose number was the expected one, if this segment of the end `from` acknowledges what the
/// other end has sent since: had it accepted the reset, it would answer that with a reset of its own (RFC 9293 §3.10.7.1).
pub(super) fn refuse_reset_before(conn: &mut Connection, from: Side, segment: &Segment) {
    let sender = conn.end(from.other());
    let Some(rst) = sender.rst().filter(|rst| rst.seen && rst.context.certain) else { return };
    let Some((kept, ack)) = sender.kept().zip(ack_of(&segment.header)) else { return };
    let offset = |number| signed_offset(sender, number).and_then(|offset| u64::try_from(offset).ok());
    let sent = rst.offset.max(rst.before);
    let acked = offset(ack).zip(offset(end_of(&kept))).is_some_and(|(acked, end)| acked > sent && acked <= end);
    let text = !segment.header.flags.intersects(TcpFlags::SYN | TcpFlags::RST);
    if text && acked && conn.end(from).closed().is_none() {
        let sender = conn.end_mut(from.other());
        sender.refuse_reset(|_| true);
        sender.set_idle_ns(None);
    }
}
