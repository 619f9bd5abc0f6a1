//! `cargo xtask dist`: makes a Debian package, an archive and crates.

use anyhow::Result;
use clap::Args;

use crate::{
    dist::{self, crates},
    process,
    project::Project,
    root_tests::{self, Tests},
    setup::package_tools,
};

/// The variable that names the package for its tests.
const PACKAGE: &str = "TCPTRACE_DEB";

/// Make a Debian package, an archive of the static binary with its manual and completions, and crates that `cargo install`
/// builds, in target/dist
#[derive(Args)]
pub(crate) struct Dist {
    /// Also test the package as root (through sudo where needed): it is installed into a copy of this system that is thrown
    /// away, where systemd runs the service
    #[arg(long)]
    check: bool,
    /// Also compile the kernel programs again in another folder, compare them with those in the crate byte by byte, and
    /// install the program from the crates without a BPF linker
    #[arg(long)]
    check_crates: bool,
}

impl Dist {
    /// Makes them and prints their paths.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        let made = dist::make(&project)?;
        if self.check {
            package_tools::ensure()?;
            let mut cargo = root_tests::command(&project, Tests::InTurn, &[(PACKAGE, made.package.as_os_str())])?;
            // The same packages as `test` builds: cargo would build their dependencies anew for others.
            process::run(cargo.args(["--workspace", "--test", "package"]))?;
        }
        if self.check_crates {
            crates::check::check(&project, &made.crates)?;
        }
        for file in [&made.package, &made.archive].into_iter().chain(&made.crates.files) {
            println!("{}", file.display());
        }
        Ok(())
    }
}
