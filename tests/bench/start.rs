//! How soon tcptrace traces, and how soon it is gone.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use rustix::process::Signal;
use tcptrace_tests::{LIMIT, Lines, Netns, binary, wait_tracing};

use crate::{Options, report::Report, statistics::Spread};

/// Pairs of interfaces.
const PAIRS: usize = 5;

/// It is quick enough to be done so often for each round that is asked for.
const EACH: u32 = 2;

/// Starts and stops it.
pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section(
        "Start and stop",
        "With loopback and ten veth interfaces in the namespace, and no traffic: from the start of the process to the line \
         `tcptrace: tracing`, and from SIGINT to its end.",
    );
    let netns = Netns::to_measure_in();
    for pair in 0..PAIRS {
        let [left, right] = ["left", "right"].map(|side| format!("{side}{pair}"));
        netns.ip(&["link", "add", &left, "type", "veth", "peer", "name", &right]);
        [left, right].iter().for_each(|end| drop(netns.ip(&["link", "set", end, "up"])));
    }
    let times: Vec<_> = (0..EACH * options.rounds).map(|_| start_and_stop(&netns)).collect();
    report.headings(&["", "milliseconds"]);
    report.row(&["start".to_owned(), format!("{:.1}", Spread::of(times.iter().map(|times| times.0)))]);
    report.row(&["stop".to_owned(), format!("{:.1}", Spread::of(times.iter().map(|times| times.1)))]);
}

/// Milliseconds until it traces, and until it has ended.
fn start_and_stop(netns: &Netns) -> (f64, f64) {
    let mut command = Command::new(binary());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    netns.run(|| {
        let began = Instant::now();
        let mut process = tcptrace_tests::Process::spawn(&mut command);
        let log = Lines::read(process.stderr(), |line| line);
        wait_tracing(&log);
        let started = began.elapsed();
        let began = Instant::now();
        process.signal(Signal::INT);
        assert!(process.wait(LIMIT).success());
        (started.as_secs_f64() * 1e3, began.elapsed().as_secs_f64() * 1e3)
    })
}
