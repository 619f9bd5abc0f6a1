//! The ladder drawn from a recording is the ladder drawn live, byte for byte.

use std::num::NonZeroU32;

use proptest::{prelude::*, sample::select};

use super::{
    exchange::Exchange,
    properties::{STATES, Step, step},
    recorded::{describer, lines, replay},
    simulation::{Plan, Script, VANTAGES, any_plan},
};
use crate::{
    correlate::Correlated,
    describe::Describer,
    event::{BootTime, SocketKey},
    render::{Drawing, Ladder, Render as _},
    tcp::TcpFlags,
};

const PLAIN: Drawing = Drawing { color: false, absolute_seq: false, unicode: true, zone: &jiff::tz::TimeZone::UTC };

fn drawn(describer: &mut Describer, placed: &[Correlated]) -> String {
    let mut ladder = Ladder::new(PLAIN, || 120);
    let mut out = Vec::new();
    for placed in placed {
        ladder.render(&describer.entry(placed.clone()), &mut out);
    }
    String::from_utf8(out).expect("text")
}

/// Returns the ladders.
#[track_caller]
fn check(exchange: &mut Exchange, most: NonZeroU32) -> String {
    let (now, capture) = (BootTime(exchange.now()), exchange.is_capture());
    let placed = exchange.finish_all();
    let mut live = if capture { Describer::of_capture() } else { describer() };
    let recording = lines(&mut live, &placed, now, capture);
    let drawn_live = drawn(&mut live, &placed);
    let (mut describer, placed, _) = replay(&recording, most);
    assert_eq!(drawn_live, drawn(&mut describer, &placed), "{recording}");
    drawn_live
}

fn run(plan: &Plan, choices: &[u8], pauses: &[u64], vantage: usize) -> Exchange {
    let (vantage, script) = (VANTAGES[vantage], Script::of(plan));
    let mut exchange = vantage.begin();
    let pauses = pauses.iter().copied().cycle();
    for (at, pause) in script.order(choices).into_iter().zip(pauses) {
        let step = &script.steps[at];
        if vantage.sees(step) {
            vantage.show(plan.isns, step, &mut exchange);
            exchange.pass(pause);
            if pause % 2 == 0 {
                exchange.timeout();
            }
        }
    }
    exchange
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_valid_exchange(
        plan in any_plan(),
        choices in prop::collection::vec(any::<u8>(), 1..40),
        pauses in prop::collection::vec(select(vec![0, 1, 40_000_000, 400_000_001, 1_500_000_000, 2_500_000_001]), 1..8),
        vantage in 0..VANTAGES.len(),
    ) {
        let text = check(&mut run(&plan, &choices, &pauses, vantage), NonZeroU32::MAX);
        prop_assert!(text.contains("handshake"), "{text}");
    }

    #[test]
    fn anything(
        steps in prop::collection::vec(step(), 0..120),
        most in prop_oneof![Just(NonZeroU32::MAX), (1..9_u32).prop_map(|most| NonZeroU32::new(most).expect("some"))],
    ) {
        let mut exchange = Exchange::new();
        exchange.connections().limit(most);
        for (ifindex, step) in (1..).zip(&steps) {
            exchange.on_interface(ifindex);
            match *step {
                Step::State { socket, local, remote, old, new } => {
                    exchange.full_state(socket, local, remote, STATES[old], STATES[new]);
                }
                Step::Segment { socket, src, dst, flags, seq, ack } => {
                    let flags = TcpFlags(flags);
                    let ack = flags.contains(TcpFlags::ACK).then_some(ack);
                    exchange.full_segment(socket.map(SocketKey), src, dst, flags, seq, ack, 3);
                }
                Step::Icmp { src, dst } => exchange.icmp(src, dst),
                Step::Hint { .. } => {}
                Step::Pass(time) => {
                    exchange.pass(time * 30);
                    exchange.timeout();
                }
            }
        }
        check(&mut exchange, most);
    }
}
