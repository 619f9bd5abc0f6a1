//! Times that each end spent in each state.

use super::{inferred_states, reset};
use crate::{
    correlate::table::{
        connection::{Connection, Side},
        endpoint::Closed,
    },
    event::BootTime,
    tcp::TcpState::{self, Closing, FinWait2, TimeWait},
    verdict::StateTime,
};

/// Returns the states of an end as the protocol defines them. Without a kernel (in captures) they are inferred; with
/// one, an end without a socket on this host has none.
pub(in crate::correlate) fn of(conn: &Connection, side: Side, kernel: bool) -> Vec<StateTime> {
    if kernel { stays(seen(conn, side), false) } else { stays(inferred_states::states(conn, side).into_iter(), true) }
}

/// Returns the state of a socket on this host, or the one that the kernel keeps without it.
pub(in crate::correlate) fn current(conn: &Connection, side: Side) -> Option<TcpState> {
    seen(conn, side).last().map(|(state, _)| state)
}

/// Computes the duration of each state from the times at which they were entered.
fn stays(entered: impl Iterator<Item = (TcpState, BootTime)>, inferred: bool) -> Vec<StateTime> {
    let mut entered = entered.peekable();
    let mut stays = Vec::with_capacity(entered.size_hint().1.unwrap_or_default());
    while let Some((state, since)) = entered.next() {
        let until = entered.peek().filter(|_| since != BootTime(0));
        stays.push(StateTime { state, ns: until.map(|(_, until)| until.since(since)), inferred });
    }
    stays
}

/// Returns true if the states of an end's socket led to TIME_WAIT.
pub(in crate::correlate) fn ends_in_time_wait(conn: &Connection, side: Side) -> bool {
    seen(conn, side).last().is_some_and(|(state, _)| state == TimeWait)
}

/// Returns the observed states. The kernel replaces sockets in FIN_WAIT2 and CLOSING by smaller ones and reports CLOSE:
/// FIN_WAIT2 then lasts until the other end's FIN arrives, and TIME_WAIT follows.
fn seen(conn: &Connection, side: Side) -> impl Iterator<Item = (TcpState, BootTime)> {
    let end = conn.end(side);
    let peaceful = |closed: &Closed| {
        let aborted = closed.aborted_with_unsent()
            || closed.aborted_in_fin_wait()
            || reset::aborted_half_closed(conn, side, closed);
        closed.error.is_none_or(|error| error == 0) && !aborted
    };
    let replaced = end.closed().filter(peaceful);
    let fin = conn.end(side.other()).fin();
    let (replaced, time_wait) = match replaced.map(|closed| (closed.from, closed.at)) {
        Some((FinWait2, at)) => (true, fin.map(|fin| fin.sent.first.max(at))),
        Some((Closing, at)) => (true, Some(at)),
        _ => (false, None),
    };
    let entered = end.states().count();
    end.states().take(entered - usize::from(replaced && entered > 0)).chain(time_wait.map(|at| (TimeWait, at)))
}
