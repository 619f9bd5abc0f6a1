//! Passes the events of an exchange to the correlator, and collects its verdicts.

use std::net::IpAddr;

use tcptrace_core::{
    correlate::{Correlated, Correlator, NO_NAMESPACE},
    event::{
        BootTime, Comm, Direction, Endpoint, Event, Hint, HintName, Proof, Role, Segment, SocketKey, StateChange, Task,
        reset_reason::ResetReason,
    },
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader, TcpState},
    verdict::{Close, Handshake},
};
use tcptrace_oracle::{
    effect::{Cause, Effect, Sender},
    endpoint::State,
    history::{History, Sent},
    segment::{self, Side},
    vantage::{Seen, Vantage, Way},
    verdict::{Told, Verdict},
};

/// The namespace whose segments are seen.
const HERE: u32 = 1;

/// Time at which tracing begins, in nanoseconds.
const START: u64 = 1_000_000_000;

/// Returns the correlator's verdicts on `history`, from the events seen at `vantage`.
pub(crate) fn correlate(history: &History, vantage: Vantage) -> Verdict {
    correlate_altered(history, vantage, |event| event)
}

/// Returns the correlator's verdicts on altered events.
pub(crate) fn correlate_altered(history: &History, vantage: Vantage, alter: impl Fn(Event) -> Event) -> Verdict {
    let netns = if vantage.is_live() { HERE } else { NO_NAMESPACE };
    let mut correlator =
        if history.plan.seed.is_multiple_of(16) { Correlator::new(netns) } else { Correlator::recorded(netns) };
    correlator.expect_all_segments();
    let mut verdict = Verdict::default();
    let mut take = |placed: Correlated| record(&mut verdict, &placed);
    // Some captures have coarse clocks; the kernel's is precise.
    let coarse = if history.plan.seed.is_multiple_of(5) && !vantage.is_live() { 1_000_000 } else { 1 };
    for (at, seen) in vantage.view(history) {
        let at = BootTime(START + at / coarse * coarse);
        correlator.handle_event(&alter(event(history, vantage, at, &seen)), &mut take);
    }
    correlator.finish(BootTime(START + history.end), &mut take);
    verdict
}

fn event(history: &History, vantage: Vantage, at: BootTime, seen: &Seen) -> Event {
    match *seen {
        Seen::Segment(index, way) => Event::Segment(segment_event(vantage, at, &history.sent[index], way)),
        Seen::Kernel(Effect::State { side, socket, old, new, error, cause, by_process, .. }) => {
            let proof = Proof {
                linger: cause == Some(Cause::Linger),
                unread: cause == Some(Cause::Unread),
                ..Proof::default()
            };
            let pid = 100 + side as u32;
            let task = by_process.then_some(Task { pid, tid: pid, comm: Comm([b'a'; 16]), thread: None, exit: None });
            Event::State(StateChange {
                conn_netns: None,
                at,
                socket: SocketKey(socket),
                netns: Some(HERE),
                old: state(old),
                new: state(new),
                local: end(side),
                remote: end(side.other()),
                error: Some(error.0),
                proof,
                task,
                cgroup: None,
                uid: None,
                counters: None,
            })
        }
        Seen::Kernel(Effect::ResetHint { side, socket, cause, .. }) => Event::Hint(Hint {
            conn_netns: None,
            at,
            socket: socket.map(SocketKey),
            netns: Some(HERE),
            local: end(side),
            remote: end(side.other()),
            name: HintName::SendReset,
            reason: Some(match cause {
                Cause::AbortOnData => ResetReason::TcpAbortOnData,
                Cause::NoSocket => ResetReason::NoSocket,
                Cause::TimeWaitSocket => ResetReason::TcpTimewaitSocket,
                Cause::InvalidAck => ResetReason::TcpInvalidAckSequence,
                Cause::Unread => ResetReason::TcpAbortOnClose,
                Cause::Linger => ResetReason::NotSpecified,
            }),
            state: None,
            queue_full: false,
            queue: None,
        }),
        Seen::Kernel(other) => unreachable!("the kernel shows {other:?} to nobody"),
    }
}

fn segment_event(vantage: Vantage, at: BootTime, sent: &Sent, way: Option<Way>) -> Segment {
    let segment = &sent.segment;
    let (src, dst) = (end(segment.from), end(segment.from.other()));
    let socket = match sent.sender {
        Some(Sender::Socket(socket)) => Some(SocketKey(socket)),
        Some(Sender::Request(socket)) => Some(SocketKey(socket | 1 << 32)),
        Some(Sender::Stack) => Some(SocketKey(1 << 40)),
        None => None,
    };
    let mut options = Vec::new();
    if segment.has(segment::SYN) {
        options.extend([2, 4, 5, 180]);
    }
    if let Some(scale) = segment.scale {
        options.extend([3, 3, scale, 1]);
    }
    if let Some((value, echo)) = segment.timestamp {
        options.extend([1, 1, 8, 10]);
        options.extend(value.to_be_bytes());
        options.extend(echo.to_be_bytes());
    }
    let header = TcpHeader {
        src_port: src.port,
        dst_port: dst.port,
        seq: SeqNumber(segment.seq),
        ack: SeqNumber(segment.ack),
        data_offset: 20 + options.len() as u8,
        flags: TcpFlags(u16::from(segment.flags)),
        window: segment.window,
        urgent: 0,
        options: OptionBytes::new(&options),
    };
    Segment {
        conn_netns: None,
        netns: None,
        socket_port: None,
        at,
        socket: socket.filter(|_| vantage.is_live() && way == Some(Way::Out)),
        ifindex: 1,
        direction: way.map(|way| if way == Way::In { Direction::In } else { Direction::Out }),
        src,
        dst,
        header,
        length: segment.len,
        segments: 1,
        encapsulation: None,
    }
}

fn end(side: Side) -> Endpoint {
    match side {
        Side::Client => Endpoint { addr: IpAddr::from([192, 0, 2, 1]), port: 40_000 },
        Side::Server => Endpoint { addr: IpAddr::from([192, 0, 2, 2]), port: 9_999 },
    }
}

fn state(state: State) -> TcpState {
    TcpState::from_name(state.name()).expect("the kernel's name")
}

/// Returns the verdict on the connection of this number.
fn told(verdict: &mut Verdict, conn: u64) -> &mut Told {
    let at = conn as usize - 1;
    if verdict.connections.len() <= at {
        verdict.connections.resize(at + 1, Told::default());
    }
    &mut verdict.connections[at]
}

fn record(verdict: &mut Verdict, placed: &Correlated) {
    let owner = match placed {
        Correlated::State(state) => state.conn,
        Correlated::Segment(segment) => Some(segment.conn),
        Correlated::Hint(hint) => hint.conn,
        Correlated::Handshake(handshake) => return opened(verdict, handshake),
        Correlated::Close(close) => return closed(verdict, close),
        _ => return,
    };
    if let Some(conn) = owner {
        told(verdict, conn);
    }
    verdict.owners.push(owner.map(|conn| conn as usize - 1));
}

fn opened(verdict: &mut Verdict, handshake: &Handshake) {
    let told = told(verdict, handshake.conn);
    told.outcome = handshake.outcome.map(Into::into);
    told.opening = Some(handshake.kind.into());
    told.refused_by = handshake.reset.map(|reset| role(reset.by));
}

fn closed(verdict: &mut Verdict, close: &Close) {
    let told = told(verdict, close.conn);
    told.kind = Some(close.kind.into());
    told.initiator = close.initiator.map(role);
    told.reset_by = close.reset.map(|reset| role(reset.by));
    told.cause = close.reset.map(|reset| reset.cause.into());
    told.time_wait = close.time_wait.map(Into::into);
    told.bytes = [close.bytes.client_to_server, close.bytes.server_to_client];
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Client => Side::Client.word(),
        Role::Server => Side::Server.word(),
    }
}
