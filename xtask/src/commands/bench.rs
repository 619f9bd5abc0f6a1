//! `cargo xtask bench`: measures the cost of tracing.

use std::{ffi::OsString, fs};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
    root,
};

/// Measure what tracing costs, as root (through sudo where needed), beside the other tools that are installed
///
/// The tables go to standard output and to target/bench/results.md. All of them take some ten minutes, in which nothing else
/// should run.
#[derive(Args)]
pub(crate) struct Bench {
    /// The measurements to make, and how often; `-- --help` lists them
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Bench {
    /// Builds as the user who calls, and measures as root.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        // Built separately: together with tcptrace, each would get library features that only the other needs.
        let mut cargo = project.cargo("build");
        process::run(cargo.args(["--package", "tcptrace-tests", "--bins", "--release", "--locked"]))?;

        let folder = project.target_dir().join("bench");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let binary = project.binary(Profile::Release);
        let mut tracer = OsString::from("TCPTRACE_BIN=");
        tracer.push(&binary);
        // Set by env(1), because sudo does not pass on this process's environment.
        let mut command = root::command("env")?;
        command.arg(tracer).arg(binary.with_file_name("tt-bench"));
        process::run(command.arg("--results").arg(folder.join("results.md")).args(self.args))
    }
}
