//! The wake-ups of the tracer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use tcptrace_tests::{Ends, LIMIT, Netns, Tracer, endpoint, eventually};

/// Lets this much time pass, to observe the events of that time.
fn pass(time: Duration) {
    let began = Instant::now();
    eventually("time to pass", LIMIT, || began.elapsed() >= time);
}

/// Returns how often the threads of a process have gone to sleep.
fn sleeps(process: u32) -> u64 {
    let tasks = Path::new("/proc").join(process.to_string()).join("task");
    let tasks = std::fs::read_dir(tasks).expect("a process that runs has threads");
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let status = task.and_then(|task| std::fs::read_to_string(task.path().join("status")));
        let status = status.expect("no thread ends meanwhile");
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.and_then(|count| count.trim().parse::<u64>().ok()).expect("every thread has this count")
    };
    tasks.map(of_task).sum()
}

/// Plays five rounds, two of which must take less than `soon`: a busy machine delays some. Each has a tracer of its own, whose
/// next timer is its tick; the timers of connections from before would wake it, too.
#[track_caller]
fn check(soon: Duration, mut round: impl FnMut() -> Duration) {
    let mut took = [(); 5].map(|()| round());
    took.sort();
    assert!(took[1] < soon, "not within {soon:?}: {took:?}");
}

/// Lets a tracer that has just begun come to rest. Its next tick is the better part of a second away.
fn rest() {
    pass(Duration::from_millis(300));
}

#[test]
fn a_tracer_with_nothing_to_trace_sleeps() {
    const PORT: u16 = 4971;
    const SPAN: Duration = Duration::from_secs(2);
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    // It queries the listeners once.
    pass(Duration::from_secs(1));
    let (before, began) = (sleeps(tracer.id()), Instant::now());
    pass(SPAN);
    let (woken, span) = (sleeps(tracer.id()) - before, began.elapsed());
    tracer.stop();
    // On a busy machine this test may be woken late.
    assert!(woken < 5 * span.as_secs(), "{woken} times within {span:?}");
}

#[test]
fn what_happens_while_it_sleeps_is_told_at_once() {
    const PORT: u16 = 4972;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    check(Duration::from_millis(100), || {
        let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
        rest();
        let began = Instant::now();
        let connection = ends.open();
        let client = connection.client_address();
        tracer.wait_for("the SYN", |record| record["flags"] == "S" && endpoint(record, "src") == Some(client));
        let took = began.elapsed();
        tracer.stop();
        took
    });
}

#[test]
fn what_follows_on_a_flood_is_told_at_once() {
    const PORT: u16 = 4973;
    const FLOOD: usize = 300;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    check(Duration::from_millis(200), || {
        // Few records, or the time to read them all would be measured on a busy machine.
        let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--emit", "handshake"]);
        rest();
        let ports: Vec<u16> = (0..FLOOD).map(|_| ends.open().client_address().port()).collect();
        let began = Instant::now();
        tracer.wait_for("the end of the flood", |record| {
            record["type"] == "handshake" && record["client"]["port"] == ports[FLOOD - 1]
        });
        let took = began.elapsed();
        let trace = tracer.stop();
        trace.nothing_lost();
        assert_eq!(trace.of_type("handshake").len(), FLOOD);
        took
    });
}
