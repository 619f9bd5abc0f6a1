//! The states of an end without an observed socket, inferred from its segments by RFC 9293 §3.3.2. A segment is assumed
//! to arrive at the time of its capture.

use smallvec::SmallVec;

use crate::{
    correlate::{
        table::{
            connection::{Connection, Side},
            endpoint::{End, Fin, Sent},
        },
        verdict::close::may_have_closed_first,
    },
    event::BootTime,
    tcp::TcpState::{
        self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv, SynSent, TimeWait,
    },
};

/// States and the times at which they were entered: as many as an end has that opens, closes first and is reset.
type Entered = SmallVec<[(TcpState, BootTime); 6]>;

/// Returns the states of an end and when it entered them; time 0 for those that began before the capture.
pub(in crate::correlate) fn states(conn: &Connection, side: Side) -> Entered {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let mut entered = Entered::new();
    if conn.mid_life {
        entered.push((Established, BootTime(0)));
    } else {
        opening(conn, side, &mut entered);
    }
    let after_unseen = |side: Side| may_have_closed_first(conn, side);
    match (own.fin(), other.fin()) {
        // Which end closed first is unknown.
        _ if after_unseen(side) || after_unseen(side.other()) => {}
        (Some(fin), theirs) if !fin.acks_other => active(fin, theirs, &mut entered),
        (Some(fin), Some(theirs)) => {
            // It had received before what its FIN acknowledges.
            entered.push((CloseWait, theirs.sent.first));
            entered.push((LastAck, fin.sent.first));
            entered.extend(fin.acked().map(|at| (Close, at)));
        }
        (None, Some(theirs)) => entered.push((CloseWait, theirs.sent.first)),
        (_, None) => {}
    }
    // An end that sends a reset leaves TIME_WAIT.
    let over = match entered.last() {
        Some((TimeWait, _)) => own.rst().is_none(),
        last => matches!(last, Some((Close, _))),
    };
    // It goes on after a reset that something else has sent in its name.
    if let Some(rst) = own.rst().filter(|rst| !rst.context.outlived).max(other.rst())
        && !over
    {
        entered.push((Close, rst.at));
    }
    in_order(entered)
}

fn opening(conn: &Connection, side: Side, entered: &mut Entered) {
    let (own, other) = (conn.end(side), conn.end(side.other()));
    let first = |sent: Option<Sent>| sent.map(|sent| sent.first);
    let answer = |end: &End| first(end.synack());
    if let (Some(syn), Some(theirs)) = (first(own.syn()), first(other.syn())) {
        // RFC 9293 §3.5, figure 7.
        entered.extend([(SynSent, syn), (SynRecv, theirs.max(syn))]);
        entered.extend(conn.ack_at().or(answer(other)).map(|at| (Established, at)));
    } else if conn.client_side() == side {
        entered.extend(first(own.syn()).map(|at| (SynSent, at)));
        entered.extend(answer(other).map(|at| (Established, at)));
    } else {
        entered.extend(first(other.syn()).or(answer(own)).map(|at| (SynRecv, at)));
        entered.extend(conn.ack_at().map(|at| (Established, at)));
    }
}

/// Adds the states of an end that closed before it knew of the other's close.
fn active(fin: Fin, theirs: Option<Fin>, entered: &mut Entered) {
    entered.push((FinWait1, fin.sent.first));
    match (fin.acked(), theirs) {
        (Some(acked), Some(theirs)) if theirs.acks_other || theirs.sent.first > acked => {
            entered.extend([(FinWait2, acked), (TimeWait, theirs.sent.first.max(acked))]);
        }
        (Some(acked), Some(theirs)) => entered.extend([(Closing, theirs.sent.first), (TimeWait, acked)]),
        (Some(acked), None) => entered.push((FinWait2, acked)),
        (None, Some(theirs)) => entered.push((Closing, theirs.sent.first)),
        (None, None) => {}
    }
}

/// Makes the times ascend: captures of several interfaces may reorder segments, but no state ends before it begins.
fn in_order(mut entered: Entered) -> Entered {
    let mut latest = BootTime(0);
    for (_, at) in &mut entered {
        latest = latest.max(*at);
        *at = latest;
    }
    entered
}
