//! Runs commands as root, through sudo unless this process is root.

use std::{ffi::OsStr, fs, os::unix::fs::MetadataExt as _, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Returns true if this process is root.
pub(crate) fn is_root() -> Result<bool> {
    // A process's folder in /proc belongs to its effective user, which the standard library does not provide.
    let folder = fs::metadata("/proc/self").context("cannot read /proc/self: mount procfs on /proc")?;
    Ok(folder.uid() == 0)
}

/// Returns a command that runs `program` as root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Result<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new(sudo()?);
    command.arg("--").arg(program);
    Ok(command)
}

/// Returns the name of sudo, if it is installed.
pub(crate) fn sudo() -> Result<&'static OsStr> {
    if process::find("sudo").is_none() {
        bail!("this needs root, and sudo is not installed: run it as root");
    }
    Ok(OsStr::new("sudo"))
}
