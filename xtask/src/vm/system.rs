//! The programs of the machines' system: busybox, and what the tests call and busybox lacks. They are Debian's packages for
//! the machine's processor, unpacked.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{arch::Arch, packages::Packages};

/// Source of the packages, an address and a suite: a release whose output the tests can read, whatever this machine runs.
const SOURCE: &str = "http://deb.debian.org/debian bookworm";

/// The packages. busybox is static: nothing else exists where the kernel calls it.
const PACKAGES: [&str; 8] =
    ["bash", "bpftool", "busybox-static", "ethtool", "iproute2", "libcap2-bin", "nftables", "util-linux"];

/// Returns the folder with the unpacked packages and all that they depend on, fetched unless it exists.
pub(super) fn fetch(arch: &Arch, folder: &Path) -> Result<PathBuf> {
    let unpacked = folder.join("system");
    if !unpacked.exists() {
        eprintln!("xtask: fetching {} for {}", PACKAGES.join(", "), arch.name);
        download(arch, folder, &unpacked).with_context(|| format!("cannot fetch the programs for {}", arch.name))?;
    }
    Ok(unpacked)
}

fn download(arch: &Arch, folder: &Path, unpacked: &Path) -> Result<()> {
    let packages = Packages::list(SOURCE, arch, folder.join("apt"))?;
    packages.download_all(&PACKAGES)?;
    packages.unpack(unpacked)
}
