//! Programs of the distribution, installed by apt-get where they are missing.

use std::io;

use anyhow::{Result, bail};

use crate::{process, root};

/// Apt's option to try again where a server does not answer.
pub(crate) const RETRIES: &str = "-oAcquire::Retries=3";

/// A program, and the Debian package that has it.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// Its name on PATH.
    pub(crate) program: &'static str,
    /// What to install.
    pub(crate) package: &'static str,
}

/// Installs what is missing.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let packages = missing(tools);
    if packages.is_empty() {
        return Ok(());
    }
    if process::find("apt-get").is_none() {
        bail!("this needs programs that are not installed: install {}", packages.join(", "));
    }
    eprintln!("xtask: installing {}", packages.join(", "));
    // A fresh machine has no package lists yet, one that has them is spared the time to fetch them again.
    if install(&packages).is_err() {
        apt_get(&["update"])?;
        install(&packages)?;
    }
    let missing = missing(tools);
    if !missing.is_empty() {
        bail!("apt-get has installed {}, but the programs are not on PATH: add their folder", missing.join(", "));
    }
    Ok(())
}

/// The packages of the programs that are not there.
fn missing(tools: &[Tool]) -> Vec<&'static str> {
    tools.iter().filter(|tool| process::find(tool.program).is_none()).map(|tool| tool.package).collect()
}

/// Has apt-get install these packages, and nothing that they only recommend.
fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

/// Runs apt-get as root; it must not ask anything, since nobody may be there to answer.
fn apt_get(arguments: &[&str]) -> Result<()> {
    // env(1) and not this process's environment, which sudo would not hand on.
    let mut command = root::command("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", RETRIES]).args(arguments).stdout(io::stderr());
    process::run(&mut command)
}
