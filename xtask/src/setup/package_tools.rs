//! The tools of `cargo xtask dist --check`: a service manager, and the dependencies of the Debian package.

use anyhow::{Result, bail};

use super::apt::{self, Tool};
use crate::process;

/// The tests install the package with dpkg, which does not install dependencies.
const TOOLS: [Tool; 8] = [
    Tool { program: "adduser", package: "adduser" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "mount", package: "mount" },
    Tool { program: "pgrep", package: "procps" },
    Tool { program: "runuser", package: "util-linux" },
    Tool { program: "setcap", package: "libcap2-bin" },
    Tool { program: "systemctl", package: "systemd" },
    Tool { program: "useradd", package: "passwd" },
];

/// Installs missing tools.
pub(crate) fn ensure() -> Result<()> {
    if process::find("dpkg").is_none() {
        bail!("the package is tested by installing it: run this on Debian or Ubuntu");
    }
    apt::ensure(&TOOLS)
}
