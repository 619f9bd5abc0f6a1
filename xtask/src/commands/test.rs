//! `cargo xtask test`: runs all tests as root, the end-to-end tests against the static binary that `dist` packs.

use std::{ffi::OsString, path::PathBuf, thread};

use anyhow::{Result, anyhow};
use clap::Args;

use crate::{
    process,
    project::Project,
    root_tests::{self, Tests},
    setup::{python_packages, servers, test_tools, wheels},
    static_target::StaticTarget,
};

/// The variable that names the binary for the end-to-end tests.
const BINARY: &str = "TCPTRACE_BIN";

/// Run all tests as root (through sudo where needed)
#[derive(Args)]
pub(crate) struct Test {
    /// Arguments for `cargo test --workspace`, for example a test's name, or `--package tcptrace` in place of the
    /// whole workspace; arguments for the test binaries follow after a second `--`
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Test {
    /// Builds as the calling user, and runs the tests as root.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        test_tools::ensure()?;
        let binary = prepare(&project, !selects_targets(&self.args))?;
        let command = |tests| root_tests::command(&project, tests, &[(BINARY, binary.as_os_str())]);
        if !selects_targets(&self.args) {
            // Always these packages: for others cargo would rebuild their dependencies.
            process::run(command(Tests::AtOnce)?.arg("--workspace").args(&self.args))?;
            return process::run(command(Tests::InTurn)?.args(["--workspace", "--test", "e2e"]).args(&self.args));
        }
        let mut cargo = command(Tests::InTurn)?;
        if !selects_packages(&self.args) {
            cargo.arg("--workspace");
        }
        process::run(cargo.args(&self.args))
    }
}

/// Fetches the programs that tests run, and builds, all at the same time: the last minutes of an optimised build leave a
/// processor idle. Returns the binary for the tests, which is the one that `dist` packs: users run what was tested, and CI
/// builds it once. With `whole`, all tests are built, too.
fn prepare(project: &Project, whole: bool) -> Result<PathBuf> {
    let target = StaticTarget::host();
    project.ensure_static(&target)?;
    thread::scope(|scope| {
        let fetching = scope.spawn(|| fetch(project));
        let building = scope.spawn(|| if whole { build_tests(project) } else { Ok(()) });
        let binary = project.build_static(&target);
        for work in [fetching, building] {
            work.join().map_err(|_| anyhow!("a thread of this program has failed"))??;
        }
        binary
    })
}

fn fetch(project: &Project) -> Result<()> {
    servers::ensure(project.target_dir())?;
    project.wheels(wheels::ROTEL)?;
    python_packages::ensure(project.root(), project.target_dir())
}

fn build_tests(project: &Project) -> Result<()> {
    for targets in [&[][..], &["--test", "e2e"]] {
        process::run(project.cargo("test").args(["--locked", "--workspace", "--no-run"]).args(targets))?;
    }
    Ok(())
}

/// Returns true if these arguments of `cargo test` name packages or some of their targets.
fn selects_targets(args: &[OsString]) -> bool {
    let named = |arg: &OsString| {
        ["--test", "--lib", "--bin", "--example", "--bench", "--doc", "--all-targets"]
            .iter()
            .any(|target| arg.as_encoded_bytes().starts_with(target.as_bytes()))
    };
    selects_packages(args) || args.iter().take_while(|arg| *arg != "--").any(named)
}

/// Returns true if these arguments of `cargo test` name packages, which cargo would ignore beside `--workspace`.
fn selects_packages(args: &[OsString]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .map(|arg| arg.as_encoded_bytes())
        .any(|arg| arg.starts_with(b"-p") || arg.starts_with(b"--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn packages_replace_the_workspace() {
        assert!(selects_packages(&args(&["--package", "tcptrace"])));
        assert!(selects_packages(&args(&["--package=tcptrace", "handshake"])));
        assert!(selects_packages(&args(&["-p", "tcptrace"])));
        assert!(selects_packages(&args(&["-ptcptrace"])));
        assert!(!selects_packages(&args(&[])));
        assert!(!selects_packages(&args(&["handshake", "--", "-p"])));
    }

    #[test]
    fn tests_by_their_names_are_looked_for_everywhere() {
        assert!(!selects_targets(&args(&[])));
        assert!(!selects_targets(&args(&["handshake", "--", "--test-threads=1"])));
        for some in ["--test", "--test=e2e", "--tests", "--lib", "--bins", "--doc", "-ptcptrace"] {
            assert!(selects_targets(&args(&[some])), "{some}");
        }
    }
}
