//! `cargo xtask picture`: the picture in the README.

use std::fs;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
};

/// Draw docs/ladder.svg anew, from docs/ladder.jsonl
#[derive(Args)]
pub(crate) struct Picture {}

impl Picture {
    /// Builds the program, and makes it draw.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        let documents = project.root().join("docs");
        let mut command = project.command(&project.binary(Profile::Release));
        command.env("TZ", "UTC").args(["-o", "svg", "-r"]).arg(documents.join("ladder.jsonl"));
        let to = documents.join("ladder.svg");
        fs::write(&to, process::bytes(&mut command)?).with_context(|| format!("cannot write {}", to.display()))
    }
}
