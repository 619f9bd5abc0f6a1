//! Failed handshakes: what each vantage point can know, and no certain statement that is wrong.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    exchange::State::*,
    simulation::{Act, Script, VANTAGES, Vantage},
};
use crate::{
    event::{BootTime, Event, Loss, LossSource, Proof, Role},
    tcp::TcpFlags,
    verdict::{Handshake, OpeningRetransmissions, Outcome, Reset, ResetCause, WaitingFor},
};

const ECONNREFUSED: u32 = 111;
const ETIMEDOUT: u32 = 110;

/// Reason of the failure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Refused,
    TimedOut,
    Cancelled,
    /// A program without a socket tests whether somebody listens.
    Scan,
}

/// A failure, and the number of times that the SYN is sent.
#[derive(Clone, Debug)]
struct Plan {
    isns: [u32; 2],
    syns: u32,
    failure: Failure,
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let failure = select(vec![Failure::Refused, Failure::TimedOut, Failure::Cancelled, Failure::Scan]);
    (any::<[u32; 2]>(), 1u32..6, failure).prop_map(|(isns, syns, failure)| Plan { isns, syns, failure })
}

fn script(plan: &Plan) -> Script {
    use Role::{Client, Server};
    let mut script = Script::default();
    if plan.failure != Failure::Scan {
        script.state(Client, Close, SynSent, None);
    }
    let mut syn = 0;
    for _ in 0..plan.syns {
        syn = script.segment(Client, TcpFlags::SYN, 0, None, None);
    }
    let end = |script: &mut Script, error, after| script.aborted(Client, SynSent, error, Proof::default(), after);
    match plan.failure {
        Failure::Refused => {
            let rst = script.segment(Server, TcpFlags::RST, 0, Some(1), Some(syn));
            end(&mut script, ECONNREFUSED, Some(rst));
        }
        Failure::TimedOut => {
            end(&mut script, ETIMEDOUT, None);
        }
        Failure::Cancelled => {
            end(&mut script, 0, None);
        }
        Failure::Scan => {
            let synack = script.segment(Server, TcpFlags::SYN, 0, Some(1), Some(syn));
            script.segment(Client, TcpFlags::RST, 1, None, Some(synack));
        }
    }
    script
}

/// Returns the expected outcome, the missing segment, and the reset at this vantage point.
fn expected(plan: &Plan, vantage: Vantage) -> (Outcome, Option<WaitingFor>, Option<Reset>) {
    let by = |by| Some(Reset { by, cause: ResetCause::Unknown });
    match plan.failure {
        Failure::Refused => (Outcome::Refused, None, by(Role::Server)),
        Failure::Scan => (Outcome::Reset, None, by(Role::Client)),
        // Only the client's kernel knows that the client has given up.
        _ if !vantage.has_socket(Role::Client) => (Outcome::Unanswered, Some(WaitingFor::SynAck), None),
        Failure::TimedOut => (Outcome::TimedOut, None, None),
        Failure::Cancelled => (Outcome::Cancelled, None, None),
    }
}

/// Returns the verdicts of the handshake. Steps with true in `lost` are lost, which the next record of the same program
/// reports.
fn play(plan: &Plan, vantage: Vantage, choices: &[u8], lost: &[bool]) -> Vec<Handshake> {
    let script = script(plan);
    let mut exchange = vantage.begin();
    let mut unreported = [0_u64; 2];
    for at in script.order(choices).into_iter().map(Some).chain([None]) {
        let step = at.map(|at| &script.steps[at]).filter(|step| vantage.sees(step));
        let source = step.map(|step| usize::from(matches!(step.act, Act::Segment { .. })));
        if let Some((at, source)) = at.zip(source)
            && lost.get(at).copied().unwrap_or(false)
        {
            unreported[source] += 1;
            continue;
        }
        for (counter, loss) in [LossSource::State, LossSource::Segment].into_iter().enumerate() {
            let count = std::mem::take(&mut unreported[counter]);
            if count > 0 && source.is_none_or(|source| source == counter) {
                let at = BootTime(exchange.now());
                exchange.event(&Event::Loss(Loss { at, source: loss, count, total: count, placed: false }));
            } else {
                unreported[counter] = count;
            }
        }
        if let Some(step) = step {
            vantage.show(plan.isns, step, &mut exchange);
            exchange.pass(1_000);
        }
    }
    let (handshakes, closes) = exchange.records();
    assert!(closes.is_empty() || !lost.is_empty(), "nothing was open: {closes:?}");
    handshakes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_vantage_point_says_why(plan in any_plan(), choices in vec(any::<u8>(), 16)) {
        for vantage in VANTAGES {
            let handshakes = play(&plan, vantage, &choices, &[]);
            let [handshake] = &handshakes[..] else { panic!("one from {vantage:?}: {handshakes:?}") };
            let (outcome, waiting_for, reset) = expected(&plan, vantage);
            let verdict = (handshake.outcome, handshake.waiting_for, handshake.reset);
            prop_assert_eq!(verdict, (Some(outcome), waiting_for, reset), "{:?} {}", vantage, handshake.summary);
            let answered = plan.failure == Failure::Scan;
            let again = OpeningRetransmissions { syn: Some(plan.syns - 1), synack: answered.then_some(0) };
            prop_assert_eq!(handshake.retransmissions, again);
            prop_assert_eq!(handshake.client.isn, Some(plan.isns[0]));
            prop_assert_eq!(handshake.server.isn, answered.then_some(plan.isns[1]));
            prop_assert_eq!((&handshake.missing, handshake.role_inferred), (&vec![], false), "{:?}", vantage);
        }
    }

    #[test]
    fn nothing_is_certain_and_wrong_when_events_are_lost(
        plan in any_plan(), choices in vec(any::<u8>(), 16), lost in vec(prop::bool::weighted(0.2), 16),
    ) {
        for vantage in VANTAGES {
            for handshake in play(&plan, vantage, &choices, &lost).iter().filter(|handshake| !handshake.incomplete) {
                let (outcome, ..) = expected(&plan, vantage);
                prop_assert_eq!(handshake.outcome, Some(outcome), "{:?} {}", vantage, handshake.summary);
            }
        }
    }
}
