//! Python with the packages that tests use.

use std::process::Command;

use crate::target_folder;

/// A Python that finds the packages of tests/e2e/requirements.txt, where `cargo xtask test` has installed them.
#[track_caller]
pub fn python() -> Command {
    let packages = target_folder().join("python");
    assert!(packages.is_dir(), "{} is not there: run `cargo xtask test`, which installs it", packages.display());
    let mut command = Command::new("python3");
    // No files of compiled code among the packages' own.
    command.arg("-B").env("PYTHONPATH", packages);
    command
}
