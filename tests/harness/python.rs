//! Python with the packages that tests use.

use std::process::Command;

/// A Python that finds the packages of tests/e2e/requirements.txt, where `cargo xtask test` has installed them.
#[track_caller]
pub fn python() -> Command {
    // <target>/<profile>/deps/<test>
    let own_program = std::env::current_exe().expect("a test knows its own path");
    let packages = own_program.ancestors().nth(3).expect("a test lies three folders deep").join("python");
    assert!(packages.is_dir(), "{} is not there: run `cargo xtask test`, which installs it", packages.display());
    let mut command = Command::new("python3");
    // No files of compiled code among the packages' own.
    command.arg("-B").env("PYTHONPATH", packages);
    command
}
