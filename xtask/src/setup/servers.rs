//! The servers that the end-to-end tests run, Podman with its dependencies, and a browser. Their packages are unpacked under
//! `target` and not installed: installing would start the services, on ports that this machine may need, and again at every
//! boot.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::apt;
use crate::{process, root};

/// Folder under `target` in which the tests look for the programs.
const FOLDER: &str = "servers";

/// Programs by their paths in that folder.
const PROGRAMS: [&str; 14] = [
    "usr/sbin/haproxy",
    "usr/sbin/nats-server",
    "usr/sbin/nginx",
    "usr/bin/redis-server",
    "usr/bin/prometheus",
    "usr/bin/promtool",
    "usr/bin/victoria-metrics",
    "bin/busybox",
    "usr/lib/chromium/chromium-headless-shell",
    "usr/bin/conmon",
    "usr/bin/podman",
    "usr/lib/podman/netavark",
    "usr/sbin/runc",
    "usr/sbin/xtables-nft-multi",
];

/// Packages that contain them.
const PACKAGES: [&str; 14] = [
    "haproxy",
    "nats-server",
    "nginx",
    "redis-server",
    // redis-server is a symbolic link into it. What the machine has already is fetched only by name.
    "redis-tools",
    "prometheus",
    "victoria-metrics",
    "busybox-static",
    "chromium-headless-shell",
    "conmon",
    "podman",
    "netavark",
    "runc",
    "iptables",
];

/// Fetches and unpacks the servers, unless all of them exist.
pub(crate) fn ensure(target: &Path) -> Result<()> {
    let folder = target.join(FOLDER);
    if PROGRAMS.iter().all(|program| folder.join(program).exists()) {
        return Ok(());
    }
    if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
        bail!(
            "the tests run servers of Debian's packages, which takes apt-get and dpkg-deb: run them on Debian or Ubuntu"
        );
    }
    eprintln!("xtask: fetching {}", PACKAGES.join(", "));
    // It gets its final name when it is complete.
    let unpacked = target.join(format!("{FOLDER}.part"));
    for old in [&folder, &unpacked].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let archives = unpacked.join("archives");
    fs::create_dir_all(archives.join("partial")).with_context(|| format!("cannot make {}", archives.display()))?;
    if fetch(&archives).is_err() {
        apt::update()?;
        fetch(&archives)?;
    }
    for entry in fs::read_dir(&archives).with_context(|| format!("cannot read {}", archives.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(&unpacked))?;
        }
    }
    for program in PROGRAMS {
        if !unpacked.join(program).exists() {
            bail!("apt-get has fetched no {program}: remove its package, so that a copy for the tests can be fetched");
        }
    }
    fs::rename(&unpacked, &folder).with_context(|| format!("cannot rename {}", unpacked.display()))
}

/// Fetches the packages and their dependencies that this machine lacks.
fn fetch(archives: &Path) -> Result<()> {
    let mut setting = std::ffi::OsString::from("-oDir::Cache::archives=");
    setting.push(archives);
    // `apt-get download` leaves out dependencies. An installed package is fetched only with --reinstall.
    let mut command = root::command("apt-get")?;
    command.args([
        apt::RETRIES,
        "-oAPT::Sandbox::User=root",
        "--download-only",
        "--reinstall",
        "--no-install-recommends",
    ]);
    command.arg(setting).args(["-y", "install"]).args(PACKAGES).stdout(std::io::stderr());
    process::run(&mut command)
}
