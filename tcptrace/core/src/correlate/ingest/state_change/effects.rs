//! The effects of a state change on its connection.

use std::sync::Arc;

use crate::{
    correlate::{
        Correlator,
        ingest::segment::guess_server,
        table::sockets::Socket,
        verdict::{handshake, progress},
    },
    event::{Cgroup, Role, StateChange},
    tcp::TcpState::{self, Close, Established, Listen, SynRecv, SynSent},
};

/// Effects of a state change on its connection.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) conn: Option<u64>,
    pub(super) role: Option<Role>,
    pub(super) since_start_ns: Option<u64>,
    pub(super) continues_as: Option<TcpState>,
    pub(super) late: bool,
}

impl Correlator {
    /// Updates the connection with a state change.
    pub(super) fn note(
        &mut self,
        change: &StateChange,
        at: u32,
        socket: &Socket,
        cgroup: Option<&Arc<Cgroup>>,
    ) -> Noted {
        let side = socket.side();
        let Some(conn) = self.table.get_mut(at) else { return Noted::default() };
        if conn.key().is_none_or(|key| change.netns.is_none_or(|netns| netns == key.netns)) {
            conn.learn_netns(change.netns);
        }
        conn.learn_end_netns(side, change.netns);
        conn.last = change.at;
        if change.old == SynSent && !change.proof.restored && conn.mid_life && !conn.opened && !conn.is_restored() {
            // What was seen first answered its SYN: its handshake is seen after all.
            conn.mid_life = false;
            conn.answered = conn.ends.iter().any(|end| end.sent_synack);
        }
        // Its first states were before tracing began, or are missing.
        match change.old {
            SynSent if conn.client.is_none() || conn.client_guessed() => {
                conn.client = Some(side);
                conn.set_client_guessed(false);
            }
            SynRecv if conn.client.is_none() => {
                conn.client = Some(side.other());
                conn.set_client_guessed(true);
            }
            _ => {}
        }
        match (change.old, change.new) {
            (Close, SynSent) if conn.client.is_none() => conn.client = Some(side),
            (Listen, SynRecv) => {
                conn.client = Some(side.other());
                conn.set_client_guessed(false);
            }
            // Restored with TCP_REPAIR (tcp_connect of net/ipv4/tcp_output.c): its handshake was another socket's.
            (Close, Established) | (SynSent, Established) if change.old == Close || change.proof.restored => {
                conn.answered = true;
                conn.mid_life = true;
                conn.rare_mut().restored = true;
            }
            (_, Established) => conn.answered = true,
            (SynSent | SynRecv | Close, _) => {}
            _ => {
                // It was established already when it was first seen, unless its socket was closed in SYN_RECV.
                conn.mid_life |= !conn.answered && conn.end(side).entered(SynRecv).is_none();
                conn.answered = true;
            }
        }
        if conn.client.is_none()
            && let Some(key) = conn.key()
        {
            guess_server(conn, &self.listeners, &key);
        }
        let continues_as = progress::continues_as(conn, side, change);
        let end = conn.end_mut(side);
        end.socket = Some(socket.number);
        end.learn_origin(cgroup.cloned(), change.uid, &mut self.cgroups.origins);
        let gap = end.change(change, &mut self.cgroups.origins);
        conn.set_lost_states(conn.lost_states() || gap > 0);
        // Linux also sets this error if a socket resets by itself because data arrived for it (tcp_rcv_state_process of
        // net/ipv4/tcp_input.c): then its own reset follows, and the other end's is withdrawn.
        let reset_itself = conn.end(side).rst().is_some_and(|rst| rst.seen);
        if change.new == Close && change.error.is_some_and(handshake::is_by_reset) && !reset_itself {
            conn.accept_reset(side.other(), change.at, false);
            // It was open until now: the other socket's error was that of its own reset.
            conn.end_mut(side).withdraw_unseen_reset(false);
        }
        // Its socket continues: it has not accepted a reset of uncertain number.
        if !(change.new == Close && change.error.is_none_or(handshake::is_by_reset)) {
            conn.end_mut(side.other()).refuse_doubtful_reset();
        }
        if gap > 0 {
            self.state_gaps.find(conn.number, gap);
        }
        Noted {
            conn: Some(conn.number),
            role: conn.role(side),
            since_start_ns: Some(change.at.since(conn.first)),
            continues_as,
            late: conn.ended,
        }
    }
}
