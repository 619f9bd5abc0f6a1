//! How soon tcptrace traces, and how soon it is gone, with few and many interfaces and namespaces.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use rustix::process::Signal;
use tcptrace_tests::{Attached, LIMIT, Lines, Netns, binary, eventually, wait_tracing};

use crate::{Options, report::Report, statistics::Spread};

/// It is quick enough to be done so often for each round that is asked for.
const EACH: u32 = 2;

/// Milliseconds from the start of the process until it traces and until everything is attached, and from SIGINT to its
/// end.
type Times = [f64; 3];

/// Starts and stops it.
pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section(
        "Start and stop",
        "Without traffic, in milliseconds: from the start of the process to the line `tcptrace: tracing`, from there until \
         it is attached to the last interface of the last namespace, and from SIGINT to its end.",
    );
    report.headings(&["", "tracing", "everything attached", "end"]);
    for pairs in [5, 200] {
        let netns = Netns::to_measure_in();
        add_pairs(&netns, pairs);
        // These are all attached to before that line comes.
        row(options, report, &format!("{} interfaces", 2 * pairs), || start_and_stop(&netns, None));
    }
    let netns = Netns::to_measure_in();
    let mut others: Vec<_> = (0..50).map(|_| netns.another()).collect();
    for (number, other) in others.iter().enumerate() {
        let left = format!("left{number}");
        netns.ip(&["link", "add", &left, "type", "veth", "peer", "name", "eth0", "netns", other.name()]);
        netns.ip(&["link", "set", &left, "up"]);
        other.ip(&["link", "set", "eth0", "up"]);
    }
    // In the order in which it enters them.
    others.sort_by_key(Netns::inode);
    row(options, report, "50 namespaces of two interfaces", || start_and_stop(&netns, others.last()));
}

/// Adds pairs of interfaces, all up.
fn add_pairs(netns: &Netns, pairs: u32) {
    for pair in 0..pairs {
        let [left, right] = ["left", "right"].map(|side| format!("{side}{pair}"));
        netns.ip(&["link", "add", &left, "type", "veth", "peer", "name", &right]);
        [left, right].iter().for_each(|end| drop(netns.ip(&["link", "set", end, "up"])));
    }
}

fn row(options: &Options, report: &mut Report, what: &str, start_and_stop: impl Fn() -> Times) {
    let times: Vec<_> = (0..EACH * options.rounds).map(|_| start_and_stop()).collect();
    let cell = |index: usize| format!("{:.1}", Spread::of(times.iter().map(|times| times[index])));
    report.row(&[what.to_owned(), cell(0), cell(1), cell(2)]);
}

/// `last`: the namespace that it attaches to last, after it has begun to trace.
fn start_and_stop(netns: &Netns, last: Option<&Netns>) -> Times {
    let mut command = Command::new(binary());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    netns.run(|| {
        let began = Instant::now();
        let mut process = tcptrace_tests::Process::spawn(&mut command);
        let log = Lines::read(process.stderr(), |line| line);
        wait_tracing(&log);
        let traces = began.elapsed();
        if let Some(last) = last {
            eventually("the last namespace", LIMIT, || !Attached::to(last, "eth0").ingress.is_empty());
        }
        let attached = began.elapsed() - traces;
        let began = Instant::now();
        process.signal(Signal::INT);
        assert!(process.wait(LIMIT).success());
        [traces, attached, began.elapsed()].map(|time| time.as_secs_f64() * 1e3)
    })
}
