//! `cargo xtask test`: all tests, the end-to-end ones against the release binary and as root.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
    root_tests::{self, selects_packages},
    setup::test_tools,
};

/// The end-to-end tests start the binary that this variable names.
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
    /// Builds as the user who calls, and runs what was built as root.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        test_tools::ensure()?;
        project.build(Profile::Release)?;

        let binary = project.binary(Profile::Release);
        let mut cargo = root_tests::command(&project, &[(BINARY, binary.as_os_str())])?;
        if !selects_packages(&self.args) {
            cargo.arg("--workspace");
        }
        process::run(cargo.args(&self.args))
    }
}
