//! Becoming root: not at all when we are, through sudo otherwise.

use std::{ffi::OsStr, fs, os::unix::fs::MetadataExt as _, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Whether this process is root.
pub(crate) fn is_root() -> Result<bool> {
    // A process's folder belongs to its effective user; the standard library has no other way to ask for that.
    let folder = fs::metadata("/proc/self").context("cannot read /proc/self: mount procfs on /proc")?;
    Ok(folder.uid() == 0)
}

/// A command that runs `program` as root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Result<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new(sudo()?);
    command.arg("--").arg(program);
    Ok(command)
}

/// sudo's name, once it is known to be there.
pub(crate) fn sudo() -> Result<&'static OsStr> {
    if process::find("sudo").is_none() {
        bail!("this needs root, and sudo is not installed: run it as root");
    }
    Ok(OsStr::new("sudo"))
}
