//! Certain verdicts are correct: valid exchanges in any order that causality allows, with copies and with losses.

use proptest::{collection::vec, prelude::*};

use super::{
    exchange::{Exchange, State::*},
    simulation::{Act, Ending, Plan, Script, VANTAGES, Vantage, any_plan},
};
use crate::{
    event::{BootTime, Event, Loss, LossSource, Role},
    tcp::TcpState,
    verdict::{Bytes, Close, CloseKind, Handshake, HandshakeKind, Outcome, Reset, ResetCause, TimeWait},
};

const SECOND: u64 = 1_000_000_000;

/// The content of a verdict, without times.
#[derive(Debug, PartialEq)]
struct Verdict {
    kind: CloseKind,
    initiator: Option<Role>,
    bytes: Bytes,
    half_closed_bytes: Option<u64>,
    time_wait: Option<TimeWait>,
    reset: Option<Reset>,
    fins_again: [Option<u32>; 2],
    states: [Vec<TcpState>; 2],
}

fn verdict(close: &Close) -> Verdict {
    let names = |stays: &[crate::verdict::StateTime]| stays.iter().map(|stay| stay.state).collect();
    Verdict {
        kind: close.kind,
        initiator: close.initiator,
        bytes: close.bytes,
        half_closed_bytes: close.half_closed_bytes,
        time_wait: close.time_wait,
        reset: close.reset,
        fins_again: [close.retransmissions.client, close.retransmissions.server],
        states: [names(&close.states.client), names(&close.states.server)],
    }
}

/// Returns the verdict that the plan leads to at this vantage point.
fn expected(plan: &Plan, vantage: Vantage) -> Verdict {
    let closer = plan.closer;
    let mut sent = plan.bytes.map(u64::from);
    let late = match plan.ending {
        Ending::HalfClose(late) | Ending::DataAfterClose(late) => u64::from(late),
        _ => 0,
    };
    *if closer == Role::Client { &mut sent[1] } else { &mut sent[0] } += late;
    let kind = match plan.ending {
        Ending::FourSegments | Ending::HalfClose(_) => CloseKind::FourSegment,
        Ending::ThreeSegments => CloseKind::ThreeSegment,
        Ending::Simultaneous => CloseKind::Simultaneous,
        Ending::Linger | Ending::Unread | Ending::DataAfterClose(_) => CloseKind::Reset,
    };
    let proven = |cause| if vantage.has_socket(closer) { cause } else { ResetCause::Unknown };
    let cause = match plan.ending {
        Ending::Linger => Some(proven(ResetCause::Linger)),
        Ending::Unread => Some(proven(ResetCause::UnreadData)),
        // The reset has no ACK: it answers data that arrived after the FIN.
        Ending::DataAfterClose(_) => Some(ResetCause::DataAfterClose),
        _ => None,
    };
    let both_closed = matches!(kind, CloseKind::FourSegment | CloseKind::ThreeSegment);
    let again = |role| match plan.ending {
        Ending::Linger | Ending::Unread => None,
        Ending::Simultaneous => Some(0),
        Ending::DataAfterClose(_) if role != closer => None,
        _ => Some(if role == closer { plan.again[2] } else { 0 }),
    };
    Verdict {
        kind,
        initiator: (kind != CloseKind::Simultaneous).then_some(closer),
        bytes: Bytes { client_to_server: Some(sent[0]), server_to_client: Some(sent[1]) },
        half_closed_bytes: (both_closed || kind == CloseKind::Simultaneous).then_some(late),
        time_wait: match kind {
            CloseKind::Simultaneous => Some(TimeWait::Both),
            _ if !both_closed => None,
            _ if closer == Role::Client => Some(TimeWait::Client),
            _ => Some(TimeWait::Server),
        },
        reset: cause.map(|cause| Reset { by: closer, cause }),
        fins_again: [Role::Client, Role::Server].map(again),
        states: [Role::Client, Role::Server].map(|role| states(plan, role, vantage)),
    }
}

fn states(plan: &Plan, role: Role, vantage: Vantage) -> Vec<TcpState> {
    if vantage != Vantage::Capture && !vantage.has_socket(role) {
        return Vec::new();
    }
    let first = role == plan.closer;
    let rest: &[TcpState] = match plan.ending {
        Ending::Linger | Ending::Unread => &[Close],
        Ending::Simultaneous => &[FinWait1, Closing, TimeWait],
        // FIN_WAIT2 continues where the kernel has replaced the socket; in a capture, the inferred state ends with the
        // reset.
        Ending::DataAfterClose(_) if first && vantage != Vantage::Capture => &[FinWait1, FinWait2],
        Ending::DataAfterClose(_) if first => &[FinWait1, FinWait2, Close],
        Ending::DataAfterClose(_) => &[CloseWait, Close],
        _ if first => &[FinWait1, FinWait2, TimeWait],
        _ => &[CloseWait, LastAck, Close],
    };
    let opening = if role == Role::Client { [SynSent, Established] } else { [SynRecv, Established] };
    [&opening[..], rest].concat()
}

/// Plays a plan. Steps with true in `lost` are left out, which the next record of the same program reports; segments with
/// true in `copied` pass a second interface.
fn play(plan: &Plan, vantage: Vantage, choices: &[u8], lost: &[bool], copied: &[bool]) -> (Vec<Handshake>, Vec<Close>) {
    let script = Script::of(plan);
    let mut exchange = vantage.begin();
    let mut unreported = [0_u64; 2];
    let mut reported = [0_u64; 2];
    for at in script.order(choices) {
        let step = &script.steps[at];
        if !vantage.sees(step) {
            continue;
        }
        let source = usize::from(matches!(step.act, Act::Segment { .. }));
        if lost.get(at).copied().unwrap_or(false) {
            unreported[source] += 1;
            continue;
        }
        report_losses(&mut exchange, source, &mut unreported, &mut reported);
        exchange.on_interface(1);
        vantage.show(plan.isns, step, &mut exchange);
        if source == 1 && copied.get(at).copied().unwrap_or(false) {
            exchange.on_interface(2);
            vantage.show(plan.isns, step, &mut exchange);
        }
        exchange.pass(1_000);
    }
    for source in [0, 1] {
        report_losses(&mut exchange, source, &mut unreported, &mut reported);
    }
    exchange.pass(2 * SECOND);
    exchange.timeout();
    exchange.records()
}

fn report_losses(exchange: &mut Exchange, source: usize, unreported: &mut [u64; 2], reported: &mut [u64; 2]) {
    if unreported[source] > 0 {
        reported[source] += unreported[source];
        let (at, count, total) = (BootTime(exchange.now()), unreported[source], reported[source]);
        let source_of = [LossSource::State, LossSource::Segment][source];
        exchange.event(&Event::Loss(Loss { at, source: source_of, count, total, placed: false }));
        unreported[source] = 0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_vantage_point_says_what_happened(plan in any_plan(), choices in vec(any::<u8>(), 64), copied in vec(any::<bool>(), 64)) {
        for vantage in VANTAGES {
            let (handshakes, closes) = play(&plan, vantage, &choices, &[], &copied);
            let ([handshake], [close]) = (&handshakes[..], &closes[..]) else {
                panic!("one of each from {vantage:?}: {handshakes:?} {closes:?}");
            };
            prop_assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::ThreeWay, Some(Outcome::Established)));
            prop_assert_eq!([handshake.client.isn, handshake.server.isn], plan.isns.map(Some));
            let again = [handshake.retransmissions.syn, handshake.retransmissions.synack];
            prop_assert_eq!(again, [Some(plan.again[0]), Some(plan.again[1])]);
            prop_assert!(!handshake.role_inferred);
            prop_assert_eq!((&handshake.missing, &close.missing), (&vec![], &vec![]), "{:?}", vantage);
            prop_assert_eq!(verdict(close), expected(&plan, vantage), "{:?}", vantage);
        }
    }

    #[test]
    fn nothing_is_certain_and_wrong_when_events_are_lost(
        plan in any_plan(), choices in vec(any::<u8>(), 64), lost in vec(prop::bool::weighted(0.15), 64),
    ) {
        for vantage in VANTAGES {
            let (handshakes, closes) = play(&plan, vantage, &choices, &lost, &[]);
            for handshake in handshakes.iter().filter(|handshake| !handshake.incomplete) {
                prop_assert_eq!((handshake.kind, handshake.outcome), (HandshakeKind::ThreeWay, Some(Outcome::Established)));
                prop_assert_eq!([handshake.client.isn, handshake.server.isn], plan.isns.map(Some));
                prop_assert!(!handshake.role_inferred);
            }
            for close in closes.iter().filter(|close| !close.incomplete) {
                let mut said = verdict(close);
                let mut truth = expected(&plan, vantage);
                // The end of such a close was not seen, so there is no verdict to compare.
                if close.kind == CloseKind::Unfinished {
                    continue;
                }
                // The last states may not have been seen yet when the record was due.
                said.states = truth.states.clone();
                // A lost proof proves nothing.
                if said.reset.is_some_and(|reset| reset.cause == ResetCause::Unknown) {
                    truth.reset = said.reset;
                }
                prop_assert_eq!(said, truth, "{:?} {}", vantage, close.summary);
            }
        }
    }
}
