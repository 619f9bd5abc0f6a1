//! Resets that arrive, but that the host of their sender did not send.

use super::*;
use crate::{
    event::Exit,
    verdict::{Bytes, Close, ResetCause, TimeWait},
};

const RST: TcpFlags = TcpFlags::RST;

/// An established connection at the client and at the server, followed by these segments.
fn followed_by(client: &[Seen], server: &[Seen]) -> (CloseKind, ResetCause, String) {
    let near = [&at_client()[..4], client].concat();
    let far = [&at_server()[..3], server].concat();
    let mut joiner = joiner(8);
    let records = join(&mut joiner, [views(0, INSIDE, 3, &near), views(AHEAD, OUTSIDE, 3, &far)]);
    let Some(OutputRecord::Close(CloseOutput { record, .. })) = records.last() else { panic!("{records:?}") };
    let cause = record.reset.map_or(ResetCause::Unknown, |reset| reset.cause);
    (record.kind, cause, record.summary.clone())
}

#[test]
fn neither_end_is_told_to_have_sent_what_came_from_between() {
    // A firewall resets both ends, each in the other's name.
    let from_server = [(1_600_400, false, RST, 1, 0)];
    let from_client = [(1_600_500, true, RST, 1, 0)];
    let (kind, cause, summary) = followed_by(&from_server, &from_client);
    assert_eq!((kind, cause), (CloseKind::Reset, ResetCause::Forged), "{summary}");
    assert!(summary.starts_with("reset in the server's name: db did not see it leave"), "{summary}");

    // The server's end is reset first; what it sends later is its own.
    let (_, cause, summary) = followed_by(
        &[(1_700_000, true, ACK, 1, 1), (1_700_600, false, RST, 1, 0)],
        &[(1_600_000, true, RST, 1, 0), (1_700_200, true, ACK, 1, 1), (1_700_300, false, RST, 1, 0)],
    );
    assert_eq!(cause, ResetCause::Forged, "{summary}");
    assert!(summary.starts_with("reset in the client's name: web did not see it leave"), "{summary}");
}

#[test]
fn a_reset_that_its_host_may_not_have_recorded_is_of_its_end() {
    // The host saw it leave.
    let (_, cause, _) = followed_by(&[(1_600_400, false, RST | ACK, 1, 1)], &[(1_600_000, false, RST | ACK, 1, 1)]);
    assert_eq!(cause, ResetCause::Unknown);
    // At the server's host the connection was over before, so what it sent then is not part of it.
    let closed = [(1_500_000, true, RST | ACK, 1, 1)];
    let (_, cause, summary) =
        followed_by(&[(1_499_800, true, RST | ACK, 1, 1), (1_600_400, false, RST, 1, 0)], &closed);
    assert_eq!(cause, ResetCause::Unknown, "{summary}");
}

#[test]
fn a_refusal_from_between_is_told_as_that() {
    let near = views(0, INSIDE, 3, &[(0, true, SYN, 0, 0), (700, false, RST | ACK, 0, 1)]);
    let far = views(
        AHEAD,
        OUTSIDE,
        3,
        &[(200, true, SYN, 0, 0), (300, false, SYN | ACK, 0, 1), (1_000_300, false, SYN | ACK, 0, 1)],
    );
    // The clocks of both are known from another connection.
    let known = (views(0, INSIDE, 90_000, &at_client()), views(AHEAD, OUTSIDE, 90_000, &at_server()));
    let mut joiner = joiner(8);
    let records = join(
        &mut joiner,
        [[known.0, near].into_iter().flatten().collect(), [known.1, far].into_iter().flatten().collect()],
    );
    assert_eq!(joiner.counts(), (2, 2));
    let refused = records.iter().find_map(|record| match record {
        OutputRecord::Handshake(HandshakeOutput { record, .. }) if record.outcome == Some(Outcome::Refused) => {
            Some(record)
        }
        _ => None,
    });
    let record = refused.expect("it was refused");
    assert_eq!(record.reset.map(|reset| reset.cause), Some(ResetCause::Forged));
    assert!(
        record.summary.contains("refused by a reset in the server's name: db did not see it leave"),
        "{}",
        record.summary
    );
}

#[test]
fn the_host_beside_the_end_that_reset_knows_better_than_another() {
    // The server's reset was lost, and what answers later data looks as if it knew no such connection.
    let (kind, cause, summary) = followed_by(
        &[(1_600_000, true, ACK, 1, 1), (1_600_600, false, RST, 1, 0)],
        &[(1_500_000, false, RST | ACK, 1, 1), (1_600_200, true, ACK, 1, 1), (1_600_300, false, RST, 1, 0)],
    );
    assert_eq!((kind, cause), (CloseKind::Reset, ResetCause::Unknown), "{summary}");
    assert!(summary.starts_with("reset by the server;"), "{summary}");
}

#[test]
fn the_host_of_the_socket_knows_better_than_what_follows_from_segments() {
    use crate::event::Role::Server;
    // The server's reset was lost, and what answers later data looks as if it knew no such connection.
    let near = [&at_client()[..4], &[(1_600_000, true, ACK, 1, 1), (1_600_600, false, RST, 1, 0)]].concat();
    let far = [&at_server()[..3], &[(1_500_000, false, RST | ACK, 1, 1)]].concat();
    let mut server = views(AHEAD, OUTSIDE, 3, &far);
    for view in &mut server {
        let reset = view.close.as_mut().and_then(|close| close.record.reset.as_mut()).expect("it was reset");
        reset.cause = ResetCause::UnreadData;
        let mut state = samples::state();
        state.role = Some(Server);
        add(view, OutputRecord::State(state));
    }
    let mut joiner = joiner(8);
    let records = join(&mut joiner, [views(0, INSIDE, 3, &near), server]);
    let Some(OutputRecord::Close(CloseOutput { record, .. })) = records.last() else { panic!("{records:?}") };
    assert_eq!(record.reset.map(|reset| (reset.by, reset.cause)), Some((Server, ResetCause::UnreadData)));
}

/// The sentence of a reset in the server's name, at the client of a connection whose close is changed by `change` there.
fn told(change: impl Fn(&mut Close)) -> String {
    let mut near = views(0, INSIDE, 3, &[&at_client()[..4], &[(1_600_400, false, RST, 1, 0)]].concat());
    let far = views(AHEAD, OUTSIDE, 3, &[&at_server()[..3], &[(1_600_500, true, RST, 1, 0)]].concat());
    for close in near.iter_mut().filter_map(|view| view.close.as_mut()) {
        change(&mut close.record);
        close.record.summarize();
    }
    let records = join(&mut joiner(8), [near, far]);
    let Some(OutputRecord::Close(CloseOutput { record, .. })) = records.last() else { panic!("{records:?}") };
    record.summary.clone()
}

#[test]
fn a_sentence_keeps_what_else_it_says() {
    let summary = told(|close| {
        close.idle_ns = Some(60_000_000_000);
        close.duration_ns = Some(61_000_000_000);
        close.time_wait = Some(TimeWait::Server);
    });
    assert!(
        summary.starts_with(
            "idle for 60.0 s, then reset in the server's name: db did not see it leave, as when a firewall on the way sends it; "
        ) && summary.contains("; lasted 1 m 01 s; the server holds TIME_WAIT"),
        "{summary}"
    );
}

#[test]
fn an_end_that_did_not_reset_is_not_told_to_have_left_without_an_answer() {
    let bytes = Bytes { client_to_server: Some(78), server_to_client: Some(0) };
    let summary = told(|close| {
        close.bytes = bytes;
        close.server.exit = Some(Exit { signal: Some(9), code: None });
    });
    assert!(!summary.contains("were answered"), "{summary}");
    assert!(summary.contains("; the server's process was killed by signal 9"), "{summary}");
}
