//! `cargo xtask dist`: what is installed elsewhere, a Debian package and an archive.

use anyhow::Result;
use clap::Args;

use crate::{dist::Dist, project::Project};

/// Make a Debian package, and an archive of the static binary with its manual and completions, in target/dist
#[derive(Args)]
pub(crate) struct DistArgs {}

impl DistArgs {
    /// Says where they are.
    pub(crate) fn execute(self) -> Result<()> {
        let dist = Dist::make(&Project::set_up()?)?;
        for file in [&dist.package, &dist.archive] {
            println!("{}", file.display());
        }
        Ok(())
    }
}
