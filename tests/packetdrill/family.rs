//! The address families of packetdrill's scripts, with the same arguments as those of its own runner, `run_all.py`.

use std::path::Path;

use clap::ValueEnum;

/// The addressing of a script's segments and sockets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// IPv4 segments at IPv6 sockets.
    Mapped,
}

impl Family {
    /// Returns packetdrill's arguments, with the values of the names that scripts use.
    pub(crate) fn arguments(self) -> Vec<&'static str> {
        let version = match self {
            Self::Ipv4 => "--ip_version=ipv4",
            Self::Ipv6 => "--ip_version=ipv6",
            Self::Mapped => "--ip_version=ipv4-mapped-ipv6",
        };
        let segments: &[_] = match self {
            Self::Ipv4 | Self::Mapped => &[
                "--local_ip=192.168.0.1",
                "--gateway_ip=192.168.0.1",
                "--netmask_ip=255.255.0.0",
                "--remote_ip=192.0.2.1",
                "-DTFO_COOKIE=3021b9d889017eeb",
                "-DCODE=host_unreachable",
            ],
            Self::Ipv6 => &[
                "--mtu=1520",
                "--local_ip=fd3d:0a0b:17d6::1",
                "--gateway_ip=fd3d:0a0b:17d6:8888::1",
                "--remote_ip=fd3d:fa7b:d17d::1",
                "-DTFO_COOKIE=c1d1e9742a47a9bc",
            ],
        };
        let sockets = match self {
            Self::Ipv4 => ["-DCMSG_LEVEL_IP=SOL_IP", "-DCMSG_TYPE_RECVERR=IP_RECVERR"],
            Self::Ipv6 | Self::Mapped => ["-DCMSG_LEVEL_IP=SOL_IPV6", "-DCMSG_TYPE_RECVERR=IPV6_RECVERR"],
        };
        // The kernel may still read data that was sent without a copy.
        ["--send_omit_free", version].into_iter().chain(segments.iter().copied()).chain(sockets).collect()
    }

    /// Returns true if the script is for this family. A name may end in the only family that it is for.
    pub(crate) fn has(self, script: &Path) -> bool {
        let name = script.file_stem().unwrap_or_default().to_string_lossy();
        match self {
            Self::Ipv6 => !name.ends_with("v4"),
            Self::Ipv4 | Self::Mapped => !name.ends_with("v6"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_one_family_run_over_no_other() {
        let families =
            |name: &str| Family::value_variants().iter().map(|family| family.has(Path::new(name))).collect::<Vec<_>>();
        assert_eq!(families("close/close-on-syn-sent.pkt"), [true, true, true]);
        assert_eq!(families("mtu_probe/basic-v4.pkt"), [true, false, true]);
        assert_eq!(families("mtu_probe/basic-v6.pkt"), [false, true, false]);
    }
}
