//! How long each end stayed in which state.

use super::{
    connection::{Connection, Side},
    inferred,
};
use crate::{
    event::BootTime,
    tcp::TcpState::{self, FinWait2, TimeWait},
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

/// When the kernel replaces a socket in FIN_WAIT2, that state goes on until the other end's FIN comes.
fn seen(conn: &Connection, side: Side) -> Vec<(TcpState, BootTime)> {
    let end = conn.end(side);
    let mut entered = end.states.clone();
    if let Some(closed) = end.closed
        && closed.from == FinWait2
    {
        entered.pop();
        if let Some(fin) = conn.end(side.other()).fin {
            entered.push((TimeWait, fin.sent.first.max(closed.at)));
        }
    }
    entered
}
