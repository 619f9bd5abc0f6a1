//! `cargo xtask build`: the tracer's binary, kernel programs included.

use anyhow::Result;
use clap::Args;

use crate::project::{Profile, Project};

/// Build tcptrace: target/release/tcptrace
#[derive(Args)]
pub(crate) struct Build {
    /// Build without optimisation: target/debug/tcptrace
    #[arg(long)]
    debug: bool,
}

impl Build {
    /// Builds it.
    pub(crate) fn execute(self) -> Result<()> {
        let profile = if self.debug { Profile::Debug } else { Profile::Release };
        Project::set_up()?.build(profile)
    }
}
