//! Runs the same load without and with a tool, in turns.

use std::path::Path;

use tcptrace_tests::{EmptyPrograms, Netns};

use crate::{
    Options,
    load::{Done, Load},
    lost::Lost,
    report::{code, progress},
    statistics::{Spread, added_microseconds},
    tool::{Ran, Tool},
};

/// The tool that runs during the load.
pub(crate) enum Watcher {
    /// Programs that do nothing, where tcptrace has its own.
    EmptyPrograms,
    Tool(Tool),
}

/// The results of the turns.
pub(crate) struct Turns {
    /// Rates, per second.
    pub(crate) untraced: Spread,
    pub(crate) traced: Spread,
    /// The rate with the tool as a share of the one without just before.
    pub(crate) kept: Spread,
    /// Microseconds of processors' time for each connection or round trip.
    pub(crate) added: Spread,
    /// Microseconds of processors' time that the tool's own process used for each of them, after the load included.
    pub(crate) process: Option<Spread>,
    /// Bytes of the file that it has written for each of them.
    pub(crate) bytes: Option<Spread>,
    /// In all rounds, where the tool tells.
    pub(crate) lost: Option<Lost>,
}

impl Watcher {
    /// Its name, as a table cell.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::EmptyPrograms => "empty BPF programs".to_owned(),
            Self::Tool(tool) => code(&tool.command_line()),
        }
    }

    /// Takes turns.
    ///
    /// # Errors
    /// Why it cannot be measured here.
    pub(crate) fn measure(&self, load: Load, options: &Options, scratch: &Path) -> Result<Turns, String> {
        progress(&self.name());
        let netns = Netns::to_measure_in();
        // The first connections find no TIME_WAIT sockets of others to replace, the later ones do.
        load.run(&netns, options.seconds.min(1.0), &options.placement);
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            let untraced = load.run(&netns, options.seconds, &options.placement);
            let (traced, ran) = self.watch(load, &netns, options, scratch)?;
            rounds.push((untraced, traced, ran));
        }
        let each = |number: fn(Done, Done) -> f64| {
            Spread::of(rounds.iter().map(|(untraced, traced, _)| number(*untraced, *traced)))
        };
        // Counts stay far below 2^52.
        let of_process = |(_, traced, ran): &(Done, Done, Option<Ran>)| {
            ran.as_ref().map(|ran| ran.seconds * 1e6 / traced.count as f64)
        };
        let bytes_of_each = |(_, traced, ran): &(Done, Done, Option<Ran>)| {
            ran.as_ref().map(|ran| ran.bytes as f64 / traced.count as f64)
        };
        let process: Vec<f64> = rounds.iter().filter_map(of_process).collect();
        let bytes: Vec<f64> = rounds.iter().filter_map(bytes_of_each).collect();
        Ok(Turns {
            untraced: each(|untraced, _| untraced.per_second),
            traced: each(|_, traced| traced.per_second),
            kept: each(|untraced, traced| traced.per_second / untraced.per_second),
            added: each(|untraced, traced| {
                added_microseconds(untraced.processors, untraced.per_second, traced.per_second)
            }),
            process: (!process.is_empty()).then(|| Spread::of(process)),
            bytes: (!bytes.is_empty()).then(|| Spread::of(bytes)),
            lost: rounds.iter().filter_map(|(_, _, ran)| ran.as_ref()?.lost).reduce(|one, other| one + other),
        })
    }

    /// One turn.
    fn watch(
        &self,
        load: Load,
        netns: &Netns,
        options: &Options,
        scratch: &Path,
    ) -> Result<(Done, Option<Ran>), String> {
        match self {
            Self::EmptyPrograms => {
                let _attached = EmptyPrograms::attach(netns)
                    .map_err(|error| format!("not measured: the kernel refuses: {error}"))?;
                Ok((load.run(netns, options.seconds, &options.placement), None))
            }
            Self::Tool(tool) => {
                let running = tool.start(netns, scratch).ok_or("not measured: not installed")?;
                let done = load.run(netns, options.seconds, &options.placement);
                Ok((done, Some(running.stop(done.count))))
            }
        }
    }
}
