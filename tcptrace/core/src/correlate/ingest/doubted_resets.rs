//! Resets that were withdrawn only for segments that may have been in flight before: a later reset without ACK may bear them out.

use crate::{
    correlate::{
        receiver::Reset,
        table::connection::{Connection, Side},
    },
    tcp::{TcpFlags, TcpHeader},
};

/// Restores a doubted reset that this segment of `from` bears out; `reset`: what its receiver makes of it.
///
/// A reset without ACK answers a segment in the state CLOSED (RFC 9293 §3.10.7.1): an open socket resets with ACK
/// (`tcp_send_active_reset` of net/ipv4/tcp_output.c). So the connection of its sender is over. Where the sender has not ended it
/// itself, the other end's reset has; where the other end has not, its own reset has.
pub(super) fn restore_doubted_resets(conn: &mut Connection, from: Side, header: &TcpHeader, reset: Reset) {
    if !header.has(TcpFlags::RST) || header.has(TcpFlags::ACK) {
        return;
    }
    let [own, other] = [from, from.other()].map(|side| conn.end(side).may_have_ended());
    if !own && reset == Reset::Exact {
        conn.end_mut(from.other()).restore_doubted_reset();
    }
    let answers = (1..=conn.end(from).sent).contains(&conn.end(from).offset(header.seq));
    if !other && answers {
        conn.end_mut(from).restore_doubted_reset();
    }
}
