//! How long each end stayed in which state.

use super::{
    connection::{Connection, Side},
    inferred,
};
use crate::{
    event::BootTime,
    tcp::TcpState::{self, Closing, FinWait2, TimeWait},
    timeline::Stay,
};

/// The states of an end, as the protocol has them. Without a kernel they are inferred; with one, an end whose socket is not
/// here has none.
pub(super) fn of(conn: &Connection, side: Side, kernel: bool) -> Vec<Stay> {
    let entered = if kernel { seen(conn, side) } else { inferred::states(conn, side) };
    let until = entered.iter().skip(1).map(|&(_, at)| Some(at)).chain([None]);
    let stay = |(&(state, since), until): (&(TcpState, BootTime), Option<BootTime>)| Stay {
        state,
        ns: until.filter(|_| since != BootTime(0)).map(|until| until.since(since)),
        inferred: !kernel,
    };
    entered.iter().zip(until).map(stay).collect()
}

/// The kernel replaces sockets in FIN_WAIT2 and CLOSING by something smaller, and calls that CLOSE: FIN_WAIT2 goes on until the
/// other end's FIN comes, and then comes TIME_WAIT.
fn seen(conn: &Connection, side: Side) -> Vec<(TcpState, BootTime)> {
    let end = conn.end(side);
    let mut entered = end.states().collect::<Vec<_>>();
    let replaced = end.closed().filter(|closed| closed.error.is_none_or(|error| error == 0));
    match replaced.map(|closed| (closed.from, closed.at)) {
        Some((FinWait2, at)) => {
            entered.pop();
            entered.extend(conn.end(side.other()).fin().map(|fin| (TimeWait, fin.sent.first.max(at))));
        }
        Some((Closing, at)) => {
            entered.pop();
            entered.push((TimeWait, at));
        }
        _ => {}
    }
    entered
}
