//! Whole exchanges as captures show them that lack frames, repeat them, or have them in another order: what is said is true of
//! the exchange, or it is said that something was not seen.

use super::{
    doubted::{Line, down, show, up},
    *,
};
use crate::verdict::Stalled;

const OPENED: [Line; 3] = [(true, SYN, 0, None, 0), down(SYN, 0, 1, 0), up(ACK, 1, 1, 0)];
const EXCHANGED: [Line; 4] = [up(ACK, 1, 1, 100), down(ACK, 1, 101, 0), down(ACK, 1, 101, 200), up(ACK, 101, 201, 0)];

/// The names and the last segments of exchanges that end in different ways.
fn exchanges() -> Vec<(&'static str, Vec<Line>)> {
    let ends: [(&str, &[Line]); 8] = [
        (
            "four segments",
            &[up(FIN, 101, 201, 0), down(ACK, 201, 102, 0), down(FIN, 201, 102, 0), up(ACK, 102, 202, 0)],
        ),
        (
            "closed by the server",
            &[down(FIN, 201, 101, 0), up(ACK, 101, 202, 0), up(FIN, 101, 202, 0), down(ACK, 202, 102, 0)],
        ),
        ("three segments", &[up(FIN, 101, 201, 0), down(FIN, 201, 102, 0), up(ACK, 102, 202, 0)]),
        ("simultaneous", &[up(FIN, 101, 201, 0), down(FIN, 201, 101, 0), up(ACK, 102, 202, 0), down(ACK, 202, 102, 0)]),
        ("aborted", &[up(RST, 101, 201, 0)]),
        ("half-open", &[up(ACK, 101, 201, 50), (false, RST, 201, None, 0)]),
        (
            "data after the close",
            &[down(FIN, 201, 101, 0), up(ACK, 101, 202, 0), up(ACK, 101, 202, 60), (false, RST, 202, None, 0)],
        ),
        ("aborted with data unread", &[up(FIN, 101, 201, 0), down(RST, 201, 102, 0)]),
    ];
    ends.into_iter().map(|(name, end)| (name, [&OPENED[..], &EXCHANGED, end].concat())).collect()
}

/// The verdicts on an exchange, and its stalls in the minute after it.
fn told(lines: &[Line]) -> (Vec<Handshake>, Vec<Close>, Vec<Stalled>) {
    let mut exchange = Exchange::of_capture();
    exchange.connections().expect_all_segments();
    for line in lines {
        show(&mut exchange, &[*line]);
        exchange.pass(1_000_000);
    }
    exchange.pass(60 * SECOND);
    exchange.timeout();
    let (mut handshakes, mut closes, mut stalls) = (Vec::new(), Vec::new(), Vec::new());
    for placed in exchange.finish_all() {
        match placed {
            Correlated::Handshake(record) => handshakes.push(*record),
            Correlated::Close(record) => closes.push(*record),
            Correlated::Stalled(record) => stalls.push(*record),
            _ => {}
        }
    }
    (handshakes, closes, stalls)
}

/// Checks that what is told of an altered exchange is true of the `whole` one, as far as it is told.
#[track_caller]
fn holds(what: &str, whole: &[Line], altered: &[Line]) {
    let right = only(told(whole).1);
    let (handshakes, closes, stalls) = told(altered);
    let shown = || format!("{what}: {altered:?}\n{handshakes:#?} {closes:#?} {stalls:#?}");
    assert!(handshakes.len() <= 1 && closes.len() <= 1, "one connection: {}", shown());
    for handshake in &handshakes {
        assert!(matches!(handshake.outcome, None | Some(Outcome::Established)), "{}", shown());
    }
    for close in &closes {
        let kind = match (close.kind, right.kind) {
            (told, right) if told == right => true,
            (CloseKind::ThreeSegment, CloseKind::FourSegment) | (CloseKind::Unfinished | CloseKind::Unseen, _) => true,
            _ => false,
        };
        let initiator = close.initiator.is_none() || right.initiator.is_none() || close.initiator == right.initiator;
        assert!(kind && initiator, "{}", shown());
        let reset = match (close.reset, right.reset) {
            (Some(told), Some(right)) => {
                told.by == right.by && [right.cause, ResetCause::Unknown].contains(&told.cause)
            }
            (told, _) => told.is_none(),
        };
        assert!(reset, "{}", shown());
    }
    // Nothing distinguishes a capture without its last frames from one of a connection that goes no further.
    let cut = altered.len() < whole.len() && altered.last() != whole.last();
    assert!(cut || stalls.iter().all(|stalled| stalled.turn.is_none()), "nobody's turn: {}", shown());
}

#[test]
fn without_one_or_two_frames() {
    for (name, lines) in exchanges() {
        for first in 0..lines.len() {
            for second in first..lines.len() {
                let kept = (0..).zip(&lines).filter(|(at, _)| ![first, second].contains(at)).map(|(_, line)| *line);
                let what = format!("{name} without {first} and {second}");
                holds(&what, &lines, &kept.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn with_one_frame_twice() {
    for (name, lines) in exchanges() {
        for first in 0..lines.len() {
            for behind in first..lines.len() {
                let mut altered = lines.clone();
                altered.insert(behind + 1, lines[first]);
                holds(&format!("{name} with {first} again behind {behind}"), &lines, &altered);
            }
        }
    }
}

#[test]
fn with_one_frame_too_late() {
    for (name, lines) in exchanges() {
        for moved in 0..lines.len() {
            for behind in moved + 1..lines.len() {
                let mut altered = lines.clone();
                let line = altered.remove(moved);
                altered.insert(behind, line);
                holds(&format!("{name} with {moved} behind {behind}"), &lines, &altered);
            }
        }
    }
}
