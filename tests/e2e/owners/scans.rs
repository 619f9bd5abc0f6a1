//! When the kernel is asked who holds sockets: tracing never waits for it, and it is not asked in vain.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tcptrace_tests::{Actor, LIMIT, Netns, Stopped, Tracer, close, eventually};

use super::{is_owner_of_listener, is_owner_of_server, listen, loopback, open, reset, start};
use crate::scenarios::{shapes::listeners::worker, wait_verdicts};

/// Longer than the minimum age of a connection to be looked up, plus the interval of look-ups.
const LONG: Duration = Duration::from_secs(2);

#[test]
fn nobody_waits_for_a_scan_that_does_not_end() {
    const PORT: u16 = 4954;
    let netns = Netns::new();
    let listener = listen(&netns, PORT);
    let _worker = worker(&netns, &listener);
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, PORT);
    tracer.wait_for("who listens", |record| is_owner_of_listener(record, PORT));
    let scanner = Stopped::thread(tracer.id(), "owners");
    let lasting = open(&client, loopback(PORT));
    // It will be looked up, since two processes hold the listener. Until then, and for longer, everything else continues.
    let (began, mut closed) = (Instant::now(), 0);
    while began.elapsed() < LONG {
        reset(&client, open(&client, loopback(PORT)));
        closed += 1;
        wait_verdicts(&tracer, &netns, closed + 1, closed);
    }
    tracer.look(|records| {
        assert!(!records.iter().any(|record| is_owner_of_server(record, PORT)), "nobody can know: {records:#?}");
    });
    drop(scanner);
    tracer.wait_for("who has accepted", |record| is_owner_of_server(record, PORT));
    let trace = tracer.stop();
    reset(&client, lasting);
    close(listener);
    trace.nothing_lost();
}

#[test]
fn the_kernel_is_asked_when_there_is_reason_to_and_not_again() {
    const PORT: u16 = 4955;
    let netns = Netns::new();
    let listener = listen(&netns, PORT);
    let _worker = worker(&netns, &listener);
    let client = Actor::new(&netns, "tt-client");
    let before = open(&client, loopback(PORT));
    let tracer = Tracer::start(&netns, &["-v", "-p", &PORT.to_string()]);
    // The listener existed at the start, so its owner is reported at the start.
    tracer.wait_for("who listens", |record| is_owner_of_listener(record, PORT));
    let lasting = open(&client, loopback(PORT));
    tracer.wait_for("who has accepted", |record| is_owner_of_server(record, PORT));
    // At each tick the tracer looks for sockets that make no progress, whatever the reason for another scan.
    let ticks = || tracer.logged(|line| line.contains(" sockets may make no progress"));
    let known_at = ticks();
    eventually("three more ticks", LIMIT, || ticks() >= known_at + 3);
    let trace = tracer.stop();
    [before, lasting].into_iter().for_each(|stream| reset(&client, stream));
    close(listener);
    let scans = trace.log.iter().filter(|line| line.contains(" sockets and their owners")).count();
    // On a busy machine the scan for everything may find the connection, too.
    assert!((2..=3).contains(&scans), "for listeners, for everything, and for the connection: {:#?}", trace.log);
    let sources: Vec<_> = trace.of_type("owner").iter().map(|owner| (&owner["conn"], &owner["source"])).collect();
    assert_eq!(sources, [(&Value::Null, &json!("sock_diag")), (&json!(1), &json!("sock_diag"))]);
}
