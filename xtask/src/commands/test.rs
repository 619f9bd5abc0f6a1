//! `cargo xtask test`: runs all tests as root, the end-to-end tests against the release binary.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
    root_tests::{self, Tests},
    setup::test_tools,
};

/// The variable that names the binary for the end-to-end tests.
const BINARY: &str = "TCPTRACE_BIN";

/// The package of the end-to-end tests.
const TRACING: &str = "tcptrace-tests";

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
        project.build(Profile::Release)?;

        let binary = project.binary(Profile::Release);
        let command = |tests| root_tests::command(&project, tests, &[(BINARY, binary.as_os_str())]);
        if self.args.is_empty() {
            // Most tests trace nothing.
            process::run(command(Tests::AtOnce)?.args(["--workspace", "--exclude", TRACING]))?;
            process::run(command(Tests::AtOnce)?.args(["--package", TRACING, "--bins", "--test", "cli"]))?;
            return process::run(command(Tests::InTurn)?.args(["--package", TRACING, "--test", "e2e"]));
        }
        let mut cargo = command(Tests::InTurn)?;
        if !selects_packages(&self.args) {
            cargo.arg("--workspace");
        }
        process::run(cargo.args(&self.args))
    }
}

/// Returns whether these arguments of `cargo test` name packages, which cargo would ignore beside `--workspace`.
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
}
