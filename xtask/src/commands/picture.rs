//! `cargo xtask picture`: the picture in the README.

use anyhow::Result;
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
};

/// Draw docs/ladder.svg anew, from what the program prints about docs/ladder.jsonl
#[derive(Args)]
pub(crate) struct Picture {}

impl Picture {
    /// Builds, and lets the tests' package draw: it holds the picture to the program as well.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        let mut cargo = project.cargo("run");
        cargo.args(["--quiet", "--package", "tcptrace-tests", "--bin", "tt-picture", "--locked"]);
        process::run(cargo.env("TCPTRACE_BIN", project.binary(Profile::Release)))
    }
}
