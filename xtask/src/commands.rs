//! The sub-commands, one file each.

mod bench;
mod build;
mod check;
mod dist;
mod fuzz;
mod install;
mod packetdrill;
mod picture;
mod run;
mod test;
mod vm;

use anyhow::Result;
use clap::Subcommand;

/// The sub-commands of `cargo xtask`. Each of them first installs the pinned tools that are missing.
#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Run),
    Build(build::Build),
    Test(test::Test),
    Vm(vm::Vm),
    Install(install::Install),
    Dist(dist::Dist),
    Check(check::Check),
    Fuzz(fuzz::Fuzz),
    Bench(bench::Bench),
    Packetdrill(packetdrill::Packetdrill),
    Picture(picture::Picture),
}

impl Command {
    /// Runs the sub-command.
    pub(crate) fn execute(self) -> Result<()> {
        match self {
            Self::Run(run) => run.execute(),
            Self::Build(build) => build.execute(),
            Self::Test(test) => test.execute(),
            Self::Vm(vm) => vm.execute(),
            Self::Install(install) => install.execute(),
            Self::Dist(dist) => dist.execute(),
            Self::Check(check) => check.execute(),
            Self::Fuzz(fuzz) => fuzz.execute(),
            Self::Bench(bench) => bench.execute(),
            Self::Packetdrill(packetdrill) => packetdrill.execute(),
            Self::Picture(picture) => picture.execute(),
        }
    }
}
