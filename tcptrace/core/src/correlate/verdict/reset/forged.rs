//! Resets that something else sent in the name of an end, such as a firewall.

use super::RESET_FOLLOWS;
use crate::{
    correlate::table::connection::{Connection, Side},
    tcp::TcpState::Established,
};

/// Returns true if the end went on after the reset that came in its name, as a capture shows, or its socket on this host was
/// still open then. A socket that has been established ends as it sends a reset (tcp_send_active_reset of
/// net/ipv4/tcp_output.c and its callers). If the kernel's TCP sent it on behalf of no socket, it has given a reason.
pub(in crate::correlate::verdict) fn is_forged(conn: &Connection, side: Side) -> bool {
    let own = conn.end(side);
    // One with ACK that leaves with a socket is that socket's own: its end was not seen.
    let by_socket = own.rst().is_some_and(|rst| rst.has_ack && rst.context.has_socket);
    let Some(rst) = own.rst().filter(|rst| rst.seen && !conn.lost_states() && !conn.is_self_connect() && !by_socket)
    else {
        return false;
    };
    let established = own.entered(Established).is_some_and(|at| at <= rst.at);
    let outlived = match own.closed() {
        Some(closed) => closed.at > rst.at.plus(RESET_FOLLOWS),
        None => own.open_sockets > 0,
    };
    (rst.context.outlived || established && outlived) && own.reset_hint().is_none()
}
