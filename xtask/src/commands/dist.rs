//! `cargo xtask dist`: makes a Debian package and an archive.

use anyhow::Result;
use clap::Args;

use crate::{
    dist, process,
    project::Project,
    root_tests::{self, Tests},
    setup::package_tools,
};

/// The variable that names the package for its tests.
const PACKAGE: &str = "TCPTRACE_DEB";

/// Make a Debian package, and an archive of the static binary with its manual and completions, in target/dist
#[derive(Args)]
pub(crate) struct Dist {
    /// Also test the package as root (through sudo where needed): it is installed into a copy of this system that is thrown
    /// away, where systemd runs the service
    #[arg(long)]
    check: bool,
}

impl Dist {
    /// Makes both and prints their paths.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        let made = dist::make(&project)?;
        if self.check {
            package_tools::ensure()?;
            let mut cargo = root_tests::command(&project, Tests::InTurn, &[(PACKAGE, made.package.as_os_str())])?;
            // The same packages as `test` builds: cargo would build their dependencies anew for others.
            process::run(cargo.args(["--workspace", "--test", "package"]))?;
        }
        println!("{}\n{}", made.package.display(), made.archive.display());
        Ok(())
    }
}
