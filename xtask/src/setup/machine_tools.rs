//! The tools of `cargo xtask vm` besides an emulator: those that fetch and unpack Debian's packages.

use std::path::Path;

use anyhow::{Result, bail};

use super::apt::{self, Tool};
use crate::process;

/// Unpacks the modules of newer kernels.
const XZ: Tool = Tool { program: "xz", package: "xz-utils" };

/// The keys that Debian's packages are signed with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs missing tools, and an emulator.
pub(crate) fn ensure(emulator: Tool) -> Result<()> {
    if process::find("apt-get").is_none() {
        bail!("Debian's kernels are fetched with apt-get, which is not installed: run this on Debian or Ubuntu");
    }
    apt::ensure(&[emulator, XZ])?;
    if !Path::new(KEYRING).exists() {
        bail!("{KEYRING} does not exist: install debian-archive-keyring");
    }
    Ok(())
}
