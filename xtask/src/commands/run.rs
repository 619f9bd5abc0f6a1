//! `cargo xtask run`: builds and runs the tracer.

use std::{ffi::OsString, os::unix::process::CommandExt as _};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    project::{Profile, Project},
    root,
};

/// Build tcptrace and run it as root (through sudo where needed)
#[derive(Args)]
pub(crate) struct Run {
    /// Arguments for tcptrace
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Run {
    /// Returns only if the tracer could not be started.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        let binary = project.binary(Profile::Release);
        // Replaced, not spawned: signals reach the tracer itself, and the exit status is its own.
        let error = root::command(&binary)?.args(self.args).exec();
        Err(error).with_context(|| format!("cannot run {}", binary.display()))
    }
}
