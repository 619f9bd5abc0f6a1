//! What the changes of its socket's state tell of an end.

use super::{Closed, End};
use crate::{
    event::{BootTime, Process, StateChange},
    tcp::TcpState,
};

impl End {
    /// Its socket changes its state.
    pub(in crate::correlate) fn change(&mut self, change: &StateChange) {
        self.had_socket = true;
        self.here = true;
        let twin = match (change.old, change.new) {
            (TcpState::Listen, TcpState::SynRecv) => {
                self.open_sockets += 1;
                self.open_sockets > 1
            }
            // Of two children the one that closes again at once has never been the connection's.
            (TcpState::SynRecv, TcpState::Close) if self.open_sockets > 1 => true,
            _ => false,
        };
        if change.new == TcpState::Close {
            self.open_sockets = self.open_sockets.saturating_sub(1);
        }
        if twin {
            return;
        }
        if change.new != TcpState::Close {
            self.open_sockets = self.open_sockets.max(1);
        }
        if self.states().last().is_none_or(|(state, _)| state != change.new) {
            let first = self.states().next().is_none();
            if first && !matches!(change.old, TcpState::Close | TcpState::Listen) {
                // It had been in the old state for as long as nobody knows.
                self.enter(change.old, BootTime(0));
            }
            self.enter(change.new, change.at);
        }
        let process = change.task.map(Process::from);
        match change.new {
            TcpState::SynSent => self.holder = process,
            TcpState::FinWait1 | TcpState::LastAck => self.close_by(process),
            TcpState::Close => {
                self.close_by(process);
                self.detail_mut().closed = Some(Closed {
                    at: change.at,
                    from: change.old,
                    error: change.error,
                    by_process: change.task.is_some(),
                    proof: change.proof,
                });
            }
            // close() after shutdown() shows as no change at all, in the right context.
            new if new == change.old => {
                let detail = self.detail_mut();
                detail.closer = process.or(detail.closer);
            }
            _ => {}
        }
    }

    fn close_by(&mut self, process: Option<Process>) {
        let detail = self.detail_mut();
        detail.closer = detail.closer.or(process);
    }

    fn enter(&mut self, state: TcpState, at: BootTime) {
        match self.states.iter_mut().zip(&mut self.entered).find(|(free, _)| free.is_none()) {
            Some((free, entered)) => (*free, *entered) = (Some(state), at),
            None => self.detail_mut().states.push((state, at)),
        }
    }
}
