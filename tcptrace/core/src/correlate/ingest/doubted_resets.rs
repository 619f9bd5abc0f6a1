//! Resets that were withdrawn only for segments that may have been in flight before: a later reset without ACK may bear them out.

use crate::{
    correlate::{
        receiver::Reset,
        table::{
            connection::{Connection, Side},
            endpoint::End,
        },
    },
    tcp::{TcpFlags, TcpHeader},
};

/// Restores a doubted reset that this segment of `from` bears out; `reset`: what its receiver makes of it.
///
/// A reset without ACK answers a segment in the state CLOSED (RFC 9293 §3.10.7.1): an open socket resets with ACK
/// (`tcp_send_active_reset` of net/ipv4/tcp_output.c). So the connection of its sender is over. Where the sender has
/// not ended it itself, the other end's reset has; where the other end has not, its own reset has. A FIN of the other
/// end alone ends nothing.
pub(super) fn restore_doubted_resets(conn: &mut Connection, from: Side, header: &TcpHeader, reset: Reset) {
    if !header.has(TcpFlags::RST) || header.has(TcpFlags::ACK) {
        return;
    }
    let (own, other) = (conn.end(from), conn.end(from.other()));
    let by_itself = may_have_ended(own) || own.fin().is_some();
    let by_other = may_have_ended(other) || own.fin().is_some() && other.fin().is_some();
    let answers = (1..=own.sent).contains(&own.offset(header.seq));
    if !by_itself && reset == Reset::Exact {
        conn.end_mut(from.other()).restore_doubted_reset();
    }
    if !by_other && answers {
        conn.end_mut(from).restore_doubted_reset();
    }
}

/// Returns true if an end may have ended the connection of both.
fn may_have_ended(end: &End) -> bool {
    end.had_socket || end.rst().is_some()
}
