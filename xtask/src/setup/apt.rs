//! Missing programs of the distribution, installed with apt-get.

use std::io;

use anyhow::{Result, bail};

use crate::{process, root};

/// Apt's option to retry if a server does not answer.
pub(crate) const RETRIES: &str = "-oAcquire::Retries=3";

/// A program, and the Debian package that contains it.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// Name on PATH.
    pub(crate) program: &'static str,
    /// Debian package.
    pub(crate) package: &'static str,
}

/// Installs missing programs.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let packages = missing(tools);
    if packages.is_empty() {
        return Ok(());
    }
    if process::find("apt-get").is_none() {
        bail!("this needs programs that are not installed: install {}", packages.join(", "));
    }
    eprintln!("xtask: installing {}", packages.join(", "));
    // Package lists are fetched only if installing fails: a fresh machine has none, others need not fetch them again.
    if install(&packages).is_err() {
        update()?;
        install(&packages)?;
    }
    let missing = missing(tools);
    if !missing.is_empty() {
        bail!("apt-get has installed {}, but the programs are not on PATH: add their folder", missing.join(", "));
    }
    Ok(())
}

/// Returns the packages of the programs that are not installed.
fn missing(tools: &[Tool]) -> Vec<&'static str> {
    tools.iter().filter(|tool| process::find(tool.program).is_none()).map(|tool| tool.package).collect()
}

/// Installs these packages without merely recommended ones.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

/// Fetches the lists of packages.
pub(crate) fn update() -> Result<()> {
    apt_get(&["update"])
}

/// Runs apt-get as root, non-interactively.
fn apt_get(arguments: &[&str]) -> Result<()> {
    // Variables are set by env(1), because sudo does not pass on this process's environment.
    let mut command = root::command("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", RETRIES]).args(arguments).stdout(io::stderr());
    process::run(&mut command)
}
