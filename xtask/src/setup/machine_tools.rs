//! What `cargo xtask vm` needs besides: an emulator, and programs for the system inside of it.

use std::path::Path;

use anyhow::{Result, bail};

use super::apt::{self, Tool};
use crate::process;

/// The emulator, the programs of its system (busybox static, since nothing else is there when it starts), and those that
/// the tests call there.
const TOOLS: [Tool; 6] = [
    Tool { program: "qemu-system-x86_64", package: "qemu-system-x86" },
    Tool { program: "busybox", package: "busybox-static" },
    Tool { program: "bpftool", package: "bpftool" },
    Tool { program: "ethtool", package: "ethtool" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "nft", package: "nftables" },
];

/// The keys that Debian's packages are signed with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs what is missing.
pub(crate) fn ensure() -> Result<()> {
    if process::find("apt-get").is_none() {
        bail!("Debian's kernels come by apt-get, which is not installed: run this on Debian or Ubuntu");
    }
    apt::ensure(&TOOLS)?;
    if !Path::new(KEYRING).exists() {
        bail!("{KEYRING} is not there: install debian-archive-keyring");
    }
    Ok(())
}
