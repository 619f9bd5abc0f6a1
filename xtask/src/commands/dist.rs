//! `cargo xtask dist`: packages, an archive and crates.

use anyhow::Result;
use clap::Args;

use crate::{
    dist::{self, Extra, archive, crates, rpm},
    process,
    project::Project,
    root_tests::{self, Tests},
    setup::{clean_system, package_tools, servers},
    static_target::{StaticTarget, TARGETS},
};

/// The variables that name for the tests the package, the archive, and the system in which they are installed.
const PACKAGE: &str = "TCPTRACE_DEB";
const ARCHIVE: &str = "TCPTRACE_ARCHIVE";
const CLEAN_SYSTEM: &str = "TCPTRACE_CLEAN_SYSTEM";

/// Make packages for Debian and for distributions with rpm, an archive of the static binary with its manual and completions, and
/// crates that `cargo install` builds, with a list of what they are built from and checksums, in target/dist
#[derive(Args)]
pub(crate) struct Dist {
    /// Targets to make them for, in place of this machine's processor; no crates, which are for all
    #[arg(long, value_name = "TRIPLE", value_parser = TARGETS)]
    target: Option<String>,
    /// Leave these out: the tools that make them take minutes to build
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    without: Vec<Extra>,
    /// Also test the packages as root (through sudo where needed): that for Debian is installed into a copy of this system that is
    /// thrown away, where systemd runs the service, and, as is the archive, into a system in a container that has nothing else;
    /// the other one into a folder. Of files for another processor, test the archive's program alone, in an emulator
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
        let target = self.target.map_or_else(StaticTarget::host, StaticTarget::of);
        let made = dist::make(&project, &target, &self.without)?;
        if self.check {
            archive::check(&target, &made.archive)?;
        }
        if let Some(package) = made.rpm.as_ref().filter(|_| self.check && target.is_host()) {
            rpm::check(package)?;
        }
        if self.check && target.is_host() {
            package_tools::ensure()?;
            // Podman is among them.
            servers::ensure(project.target_dir())?;
            let system = clean_system::ensure(project.target_dir(), &made.package)?;
            let files = [(PACKAGE, &made.package), (ARCHIVE, &made.archive), (CLEAN_SYSTEM, &system)];
            let variables = files.map(|(name, file)| (name, file.as_os_str()));
            let mut cargo = root_tests::command(&project, Tests::InTurn, &variables)?;
            // These are the packages that `test` builds: for others cargo would rebuild their dependencies.
            process::run(cargo.args(["--workspace", "--test", "package"]))?;
        }
        if let Some(made) = made.crates.as_ref().filter(|_| self.check_crates) {
            crates::check::check(&project, made)?;
        }
        for file in made.files() {
            println!("{}", file.display());
        }
        Ok(())
    }
}
