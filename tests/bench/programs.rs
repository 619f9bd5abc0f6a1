//! The run time of the kernel programs, as the kernel itself measures it.

use std::{collections::BTreeMap, ops::Add as _, path::Path, process};

use aya::sys::{Stats, enable_stats};
use tcptrace_tests::{EmptyPrograms, LeastPrograms, Netns, Runs, program_runs};

use crate::{
    Options,
    load::{Done, Load},
    lost::Lost,
    report::{Report, progress},
    statistics::Spread,
    tool::Tool,
};

/// tcptrace's programs that run under these loads.
const STATE: &str = "set_state_btf";
const SECOND_STATE: &str = "set_state_btf_2";
/// The first of those that read sockets through a helper, for kernels that refuse the others.
const UNTYPED_STATE: &str = "set_state";
const EGRESS: &str = "tc_egress";

/// The programs that ran in one round.
#[derive(Clone, Default)]
struct Round {
    /// By the programs' names.
    runs: BTreeMap<String, Runs>,
    /// Records that found no room: then less is done than otherwise.
    lost: Lost,
}

/// Measures them beside programs that do nothing.
pub(crate) fn measure(options: &Options, scratch: &Path, report: &mut Report) {
    report.section(
        "The kernel programs",
        "Nanoseconds per run, as the kernel measures them (`BPF_ENABLE_STATS`), beside programs of the same kind that do \
         nothing. Measuring takes part of that time itself; the difference is what the program takes. All segments of a \
         connection that opens and closes at once are recorded, none of those of the ping-pong. The least that records \
         takes the time, reads once, and hands a record as large as tcptrace's over to a ring buffer.",
    );
    // The kernel counts until this is closed.
    let _counting = match enable_stats(Stats::RunTime) {
        Ok(counting) => counting,
        Err(error) => {
            report.write(&format!("Not measured: {error}."));
            return;
        }
    };
    let rounds = |load| (0..options.rounds).map(move |_| round(load, options, scratch));
    let (connections, ping_pong): (Vec<_>, Vec<_>) =
        (rounds(Load::Connections).collect(), rounds(Load::PingPong).collect());
    report.headings(&["", "ns per run", "doing nothing", "difference", "runs"]);
    let rows = [
        ("state change, the least that records it", &connections, LeastPrograms::STATE, EmptyPrograms::STATE),
        ("state change, recorded", &connections, STATE, EmptyPrograms::STATE),
        (
            "state change, recorded where the kernel refuses typed loads",
            &connections,
            UNTYPED_STATE,
            EmptyPrograms::STATE,
        ),
        ("the second program for it, which finds it recorded", &connections, SECOND_STATE, EmptyPrograms::STATE),
        ("segment, the least that records it", &connections, LeastPrograms::EGRESS, EmptyPrograms::EGRESS),
        ("segment of a handshake or a close, recorded", &connections, EGRESS, EmptyPrograms::EGRESS),
        ("data segment, not recorded", &ping_pong, EGRESS, EmptyPrograms::EGRESS),
    ];
    for (what, rounds, ours, empty) in rows {
        report.row(&row(what, rounds, ours, empty));
    }
    let lost = connections.iter().chain(&ping_pong).map(|round| round.lost).fold(Lost::default(), Lost::add);
    report.write(&format!("\nRecords of tcptrace that found no room, and took less time: {lost}."));
}

/// Runs the load with programs that do nothing, with those that record and do nothing else, and with tcptrace.
fn round(load: Load, options: &Options, scratch: &Path) -> Round {
    let netns = Netns::to_measure_in();
    let mut round = Round::default();
    progress("programs that do nothing");
    match EmptyPrograms::attach(&netns) {
        Ok(_attached) => round.runs.extend(runs_during(process::id(), load, &netns, options).0),
        Err(error) => progress(&format!("not measured: the kernel refuses: {error}")),
    }
    // There is no row for those of the ping-pong, none of whose segments are recorded.
    if load == Load::Connections {
        progress("programs that do the least that records");
        match LeastPrograms::attach(&netns) {
            Ok(_attached) => round.runs.extend(runs_during(process::id(), load, &netns, options).0),
            Err(error) => progress(&format!("not measured: the kernel refuses: {error}")),
        }
    }
    // Where both run a program, the latter counts.
    let kinds: &[&[&str]] = if load == Load::Connections { &[&["--no-typed-loads"], &[]] } else { &[&[]] };
    for &kind in kinds {
        progress(&format!("those of tcptrace {}", kind.join(" ")));
        let tool = Tool::tcptrace(&[kind, &["--json", "--emit", "handshake,close"]].concat());
        if let Some(running) = tool.start(&netns, scratch) {
            let (runs, done) = runs_during(running.id(), load, &netns, options);
            round.runs.extend(runs);
            round.lost = round.lost + running.stop(done.count).lost.unwrap_or_default();
        }
    }
    round
}

/// The runs of a process's programs during a load.
fn runs_during(process: u32, load: Load, netns: &Netns, options: &Options) -> (BTreeMap<String, Runs>, Done) {
    let before = program_runs(process);
    let done = load.run(netns, options.seconds, &options.placement);
    let mut runs = program_runs(process);
    for (name, runs) in &mut runs {
        let before = before.get(name).copied().unwrap_or_default();
        runs.count -= before.count;
        runs.nanoseconds -= before.nanoseconds;
    }
    (runs, done)
}

fn row(what: &str, rounds: &[Round], ours: &str, empty: &str) -> Vec<String> {
    let each = |name: &str| -> Vec<f64> { rounds.iter().filter_map(|round| per_run(*round.runs.get(name)?)).collect() };
    let (ours_each, empty_each) = (each(ours), each(empty));
    if ours_each.is_empty() {
        return vec![what.to_owned(), "not measured".to_owned()];
    }
    let runs: u64 = rounds.iter().filter_map(|round| round.runs.get(ours)).map(|runs| runs.count).sum();
    let (nothing, difference) = if ours_each.len() == empty_each.len() {
        let differences = ours_each.iter().zip(&empty_each).map(|(ours, empty)| ours - empty);
        let difference = Spread::of(differences);
        (Spread::of(empty_each).to_string(), difference.to_string())
    } else {
        ("not measured".to_owned(), String::new())
    };
    vec![what.to_owned(), Spread::of(ours_each).to_string(), nothing, difference, runs.to_string()]
}

/// Nanoseconds per run, if it ran.
fn per_run(runs: Runs) -> Option<f64> {
    // Both stay far below 2^52.
    (runs.count > 0).then(|| runs.nanoseconds as f64 / runs.count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_difference() {
        let runs = |count, nanoseconds| Runs { count, nanoseconds, skipped: 0 };
        let runs = BTreeMap::from([("a".to_owned(), runs(10, 2000)), ("b".to_owned(), runs(5, 250))]);
        let round = Round { runs, ..Round::default() };
        let cells = ["what", "200 (200..200)", "50 (50..50)", "150 (150..150)", "20"];
        assert_eq!(row("what", &[round.clone(), round.clone()], "a", "b"), cells);
        assert_eq!(row("what", &[round], "c", "b"), ["what", "not measured"]);
    }
}
