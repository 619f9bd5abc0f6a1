//! The load, which is a program of its own.

use std::{path::PathBuf, process::Command};

use serde_json::Value;
use tcptrace_tests::Netns;

/// What load is made.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Load {
    /// Connections opened and closed flat out, on all processors.
    Connections,
    /// One byte to and fro, on one processor.
    PingPong,
}

/// How much there was in one run.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    /// Connections, or round trips.
    pub(crate) count: u64,
    pub(crate) per_second: f64,
}

impl Load {
    /// Makes it for so many seconds.
    pub(crate) fn run(self, netns: &Netns, seconds: f64) -> Done {
        let name = match self {
            Self::Connections => "connections",
            Self::PingPong => "ping-pong",
        };
        let said = netns.output(Command::new(program()).args([name, &seconds.to_string()]));
        let said: Value = serde_json::from_str(&said).expect("JSON of tt-load");
        let count = said["count"].as_u64().expect("a count");
        Done { count, per_second: said["per_second"].as_f64().expect("a rate") }
    }

    /// How many processors it keeps busy.
    pub(crate) fn processors(self) -> f64 {
        match self {
            // As many as pairs, which is what tt-load asks for too.
            Self::Connections => std::thread::available_parallelism().map_or(1, usize::from) as f64,
            Self::PingPong => 1.0,
        }
    }
}

/// `tt-load`, which lies beside this program.
pub(crate) fn program() -> PathBuf {
    std::env::current_exe().expect("a program knows its own path").with_file_name("tt-load")
}
