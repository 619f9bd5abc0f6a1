//! The tools of `cargo xtask vm`: an emulator, and programs for the system inside.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use super::apt::{self, Tool};
use crate::process;

/// The emulator, the programs of its system (busybox static, since nothing else exists when it starts), and those that the
/// tests call there.
const TOOLS: [Tool; 7] = [
    Tool { program: "qemu-system-x86_64", package: "qemu-system-x86" },
    Tool { program: "busybox", package: "busybox-static" },
    Tool { program: "bpftool", package: "bpftool" },
    Tool { program: "ethtool", package: "ethtool" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "setcap", package: "libcap2-bin" },
];

/// The keys that Debian's packages are signed with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs missing tools.
pub(crate) fn ensure() -> Result<()> {
    if process::find("apt-get").is_none() {
        bail!("Debian's kernels are fetched with apt-get, which is not installed: run this on Debian or Ubuntu");
    }
    apt::ensure(&TOOLS)?;
    if needs_libraries("busybox") {
        bail!("the busybox on PATH is not the static one: install busybox-static in its place");
    }
    if !Path::new(KEYRING).exists() {
        bail!("{KEYRING} does not exist: install debian-archive-keyring");
    }
    Ok(())
}

/// Returns true if a program is dynamically linked; ldd(1) fails for a static one.
fn needs_libraries(program: &str) -> bool {
    let Some(file) = process::find(program) else { return true };
    let listed = Command::new("ldd").arg(file).stdout(Stdio::null()).stderr(Stdio::null()).status();
    listed.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_needs_libraries() {
        assert!(needs_libraries("bash"));
        assert!(needs_libraries("no-such-program"));
    }
}
