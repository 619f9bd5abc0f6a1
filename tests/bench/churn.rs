//! How much longer it takes to add and delete interfaces while tcptrace attaches to them.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use rustix::process::Signal;
use tcptrace_tests::{LIMIT, Netns, binary, start_unread};

use crate::{Options, report::Report, statistics::Spread};

/// Pairs of interfaces that come and go in one run.
const PAIRS: u32 = 50;

/// Adds and deletes interfaces without it and with it, in turns.
pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section(
        "Interfaces that come and go",
        "Milliseconds for a veth pair that is added, brought up and deleted again (`ip -batch`), without and with tcptrace.",
    );
    let netns = Netns::to_measure_in();
    add_and_delete(&netns);
    let rounds: Vec<_> = (0..options.rounds)
        .map(|_| {
            let untraced = add_and_delete(&netns);
            let (mut process, _log) = start_unread(&netns, &mut Command::new(binary()));
            let traced = add_and_delete(&netns);
            process.signal(Signal::INT);
            assert!(process.wait(LIMIT).success());
            (untraced, traced)
        })
        .collect();
    report.headings(&["untraced", "traced", "traced / untraced"]);
    report.row(&[
        format!("{:.1}", Spread::of(rounds.iter().map(|round| round.0))),
        format!("{:.1}", Spread::of(rounds.iter().map(|round| round.1))),
        format!("{:.2}", Spread::of(rounds.iter().map(|(untraced, traced)| traced / untraced))),
    ]);
}

/// Milliseconds for each pair.
fn add_and_delete(netns: &Netns) -> f64 {
    let pair = |number| {
        format!(
            "link add left{number} type veth peer name right{number}\nlink set left{number} up\nlink set right{number} up\n\
             link delete left{number}\n"
        )
    };
    let batch: String = (0..PAIRS).map(pair).collect();
    let began = Instant::now();
    let mut ip = Command::new("ip");
    let mut ip = ip.args(["-n", netns.name(), "-batch", "-"]).stdin(Stdio::piped()).spawn().expect("ip can be started");
    let commands = ip.stdin.take().map(|mut stdin| stdin.write_all(batch.as_bytes()));
    commands.expect("it has a stdin").expect("ip reads its commands");
    assert!(ip.wait().expect("ip ends").success());
    began.elapsed().as_secs_f64() * 1e3 / f64::from(PAIRS)
}
