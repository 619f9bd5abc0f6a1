//! The programs that the end-to-end tests call.

use anyhow::Result;

use super::apt::{self, Tool};

/// Programs that the tests use to observe, to set up networks and to read output.
const TOOLS: [Tool; 11] = [
    Tool { program: "bpftool", package: "bpftool" },
    Tool { program: "curl", package: "curl" },
    Tool { program: "ethtool", package: "ethtool" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "jq", package: "jq" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "openssl", package: "openssl" },
    Tool { program: "pip3", package: "python3-pip" },
    Tool { program: "setcap", package: "libcap2-bin" },
    Tool { program: "tcpdump", package: "tcpdump" },
    Tool { program: "tshark", package: "tshark" },
];

/// Installs missing tools.
pub(crate) fn ensure() -> Result<()> {
    apt::ensure(&TOOLS)
}
