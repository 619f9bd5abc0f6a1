//! The load, which is a program of its own.

use std::{path::PathBuf, process::Command};

use serde_json::Value;
use tcptrace_tests::Netns;

/// The kind of load.
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
    /// On so many processors, which were busy with nothing else.
    pub(crate) processors: f64,
    pub(crate) per_second: f64,
}

impl Load {
    /// Makes it for so many seconds.
    pub(crate) fn run(self, netns: &Netns, seconds: f64, placement: &str) -> Done {
        let seconds = seconds.to_string();
        let arguments = match self {
            Self::Connections => vec!["connections", &seconds, placement],
            Self::PingPong => vec!["ping-pong", &seconds],
        };
        let said = netns.output(Command::new(program()).args(arguments));
        let said: Value = serde_json::from_str(&said).expect("JSON of tt-load");
        let number = |field: &str| said[field].as_f64().unwrap_or_else(|| panic!("no {field}: {said}"));
        let count = said["count"].as_u64().expect("a count");
        Done { count, processors: number("processors"), per_second: number("per_second") }
    }
}

/// `tt-load`, which lies beside this program.
pub(crate) fn program() -> PathBuf {
    std::env::current_exe().expect("a program knows its own path").with_file_name("tt-load")
}
