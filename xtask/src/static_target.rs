//! Targets of static binaries.

use std::{env::consts::ARCH, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::setup::apt::{self, Tool};

/// The targets that `cargo xtask dist` makes files for, besides this machine's.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// A target with musl, by its triple.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StaticTarget(String);

impl StaticTarget {
    /// Returns that of this machine.
    pub(crate) fn host() -> Self {
        Self(format!("{ARCH}-unknown-linux-musl"))
    }

    /// Creates a target from its triple.
    pub(crate) fn of(triple: String) -> Self {
        Self(triple)
    }

    /// Returns the triple.
    pub(crate) fn triple(&self) -> &str {
        &self.0
    }

    /// Returns the processor, as named by Rust and Linux.
    pub(crate) fn arch(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// Returns true if its programs run on this machine.
    pub(crate) fn is_host(&self) -> bool {
        *self == Self::host()
    }

    /// Returns a command that runs a program of this target here. One for another processor runs in an emulator, which is
    /// installed if it is missing, and which has no kernel of that processor.
    pub(crate) fn run(&self, program: &Path) -> Result<Command> {
        let emulator = match self.arch() {
            _ if self.is_host() => return Ok(Command::new(program)),
            "aarch64" => "qemu-aarch64-static",
            "x86_64" => "qemu-x86_64-static",
            other => bail!("no emulator is known for {other}"),
        };
        apt::ensure(&[Tool { program: emulator, package: "qemu-user-static" }])?;
        let mut command = Command::new(emulator);
        command.arg(program);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_begins_the_triple() {
        let archs = TARGETS.map(|triple| StaticTarget::of(triple.to_owned()).arch().to_owned());
        assert_eq!(archs, ["x86_64", "aarch64"]);
        assert_eq!(StaticTarget::host().arch(), ARCH);
        assert!(StaticTarget::host().is_host());
    }
}
