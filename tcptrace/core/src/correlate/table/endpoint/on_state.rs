//! Updates of an end from the state changes of its socket.

use super::{Closed, End};
use crate::{
    correlate::cgroups::Origins,
    event::{BootTime, Process, StateChange, Task},
    tcp::{StateSet, TcpState},
};

impl End {
    /// Returns true if the states of its socket show that it has received the other end's FIN.
    pub(in crate::correlate) fn has_received_fin(&self) -> bool {
        const BY_FIN: StateSet =
            StateSet::of(&[TcpState::CloseWait, TcpState::Closing, TcpState::LastAck, TcpState::TimeWait]);
        self.has_entered(BY_FIN)
    }

    /// Returns true if its socket is in FIN_WAIT2, or was when the kernel replaced it by a smaller one.
    pub(in crate::correlate) fn is_in_fin_wait2(&self) -> bool {
        match self.closed() {
            Some(closed) => {
                let failed = closed.error.is_some_and(|error| error != 0);
                closed.from == TcpState::FinWait2 && !failed && !closed.aborted_in_fin_wait()
            }
            None => self.states().last().is_some_and(|(state, _)| state == TcpState::FinWait2),
        }
    }

    /// Updates the end with a state change of its socket. Returns the minimum number of changes missing before it: the
    /// state it leaves may not be the one it last entered.
    pub(in crate::correlate) fn change(&mut self, change: &StateChange, origins: &mut Origins) -> u64 {
        self.had_socket = true;
        self.here = true;
        let twin = match (change.old, change.new) {
            (TcpState::Listen, TcpState::SynRecv) => {
                self.open_sockets = self.open_sockets.saturating_add(1);
                self.open_sockets > 1
            }
            // Of two children, the one that closes again at once never was the connection's.
            (TcpState::SynRecv, TcpState::Close) if self.open_sockets > 1 => true,
            _ => false,
        };
        if change.new == TcpState::Close {
            self.open_sockets = self.open_sockets.saturating_sub(1);
        }
        if twin {
            return 0;
        }
        self.set_closing(self.closing() || change.new.belongs_to_close());
        if change.new != TcpState::Close {
            self.open_sockets = self.open_sockets.max(1);
        }
        let last = self.states().last().map(|(state, _)| state);
        let born = matches!(change.old, TcpState::Close | TcpState::Listen);
        let gap = last.filter(|_| !born).map_or(0, |last| last.changes_to(change.old));
        if !born && last != Some(change.old) {
            // The time at which it entered the old state is unknown.
            self.enter(change.old, BootTime(0));
        }
        if change.new != change.old {
            self.enter(change.new, change.at);
        }
        match (change.old, change.new, change.counters) {
            (_, TcpState::Established, Some(counters)) => {
                self.socket_facts_mut().opening_retransmissions = counters.retransmissions.unwrap_or(0);
            }
            (TcpState::Established, _, Some(counters)) => self.socket_facts_mut().left = Some((change.at, counters)),
            _ => {}
        }
        match change.new {
            TcpState::SynSent => self.open_by(change.task, origins),
            TcpState::FinWait1 | TcpState::LastAck => self.close_by(change.task),
            TcpState::Close => {
                let facts = self.socket_facts_mut();
                // Another process, or the end of this one, may finish what shutdown() had begun.
                facts.closer = change.task.or(facts.closer);
                facts.closed = Some(Closed {
                    at: change.at,
                    from: change.old,
                    error: change.error,
                    by_process: change.task.is_some(),
                    has_port: change.local.port != 0,
                    proof: change.proof,
                    counters: change.counters,
                });
            }
            // close() after shutdown() shows as a change from a state to itself, in the right context.
            new if new == change.old => {
                let facts = self.socket_facts_mut();
                facts.closer = change.task.or(facts.closer);
            }
            _ => {}
        }
        gap
    }

    /// Sets the task that opened it.
    fn open_by(&mut self, task: Option<Task>, origins: &mut Origins) {
        self.set_holder(task.map(Process::from), origins);
        if let Some(thread) = task.and_then(|task| task.thread) {
            self.socket_facts_mut().opener_thread = Some(thread);
        }
    }

    fn close_by(&mut self, task: Option<Task>) {
        let facts = self.socket_facts_mut();
        facts.closer = facts.closer.or(task);
    }

    fn enter(&mut self, state: TcpState, at: BootTime) {
        self.entered_states.insert(state);
        let later = self.socket_facts().is_some_and(|facts| !facts.states.is_empty());
        let after = at.0.checked_sub(self.entered.0).and_then(|after| u32::try_from(after).ok());
        match (&mut self.states, after) {
            ([first @ None, _], _) => (*first, self.entered) = (Some(state), at),
            // Nearly always the second one follows within seconds: it is the end of the handshake.
            ([_, second @ None], Some(after)) if !later => (*second, self.second_after) = (Some(state), after),
            _ => self.socket_facts_mut().states.push((state, at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_keeps_its_time() {
        const LATE: u64 = u32::MAX as u64 + 2;
        for times in [[5, 6, 7], [5, 5 + LATE, 6 + LATE], [5 + LATE, 5, 6], [0, LATE, 3]] {
            let states = [TcpState::SynSent, TcpState::Established, TcpState::FinWait1];
            let entered: Vec<_> = states.into_iter().zip(times.map(BootTime)).collect();
            let mut end = End::default();
            entered.iter().for_each(|&(state, at)| end.enter(state, at));
            assert_eq!(end.states().collect::<Vec<_>>(), entered);
        }
    }
}
