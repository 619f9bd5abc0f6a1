//! Python with the packages used by tests.

use std::process::Command;

use crate::target_folder;

/// Returns a Python command that finds the packages of tests/e2e/requirements.txt, where `cargo xtask test` has installed
/// them.
#[track_caller]
pub fn python() -> Command {
    let packages = target_folder().join("python");
    assert!(packages.is_dir(), "{} is not there: run `cargo xtask test`, which installs it", packages.display());
    let mut command = Command::new("python3");
    // Without files of compiled code among the packages.
    command.arg("-B").env("PYTHONPATH", packages);
    command
}
