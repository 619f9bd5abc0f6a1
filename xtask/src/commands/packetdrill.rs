//! `cargo xtask packetdrill`: the scripts of packetdrill, under the tracer.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
    root,
};

/// Run the scripts of a packetdrill checkout under the tracer, as root (through sudo where needed)
///
/// Each script runs in a network namespace of its own. For each the verdicts are printed, and whether those made live agree
/// with those on a capture of the same segments; the exit status is 1 if any disagree. packetdrill must be built in the
/// checkout before: `./configure && make packetdrill` in gtests/net/packetdrill.
#[derive(Args)]
pub(crate) struct Packetdrill {
    /// The root of the checkout, and options; `-- --help` lists them
    #[arg(required = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl Packetdrill {
    /// Builds as the user who calls, and runs the scripts as root.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        let mut cargo = project.cargo("build");
        process::run(cargo.args(["--package", "tcptrace-tests", "--bin", "tt-packetdrill", "--release", "--locked"]))?;
        let binary = project.binary(Profile::Release);
        let mut tracer = OsString::from("TCPTRACE_BIN=");
        tracer.push(&binary);
        // Set by env(1), because sudo does not pass on this process's environment.
        let mut command = root::command("env")?;
        process::run(command.arg(tracer).arg(binary.with_file_name("tt-packetdrill")).args(self.args))
    }
}
