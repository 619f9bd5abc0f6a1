//! Debian's packages for a processor: found, downloaded and unpacked by apt and dpkg, with package lists of their own,
//! independent of this machine's suites and of what is installed here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::arch::Arch;
use crate::{
    process,
    setup::{apt::RETRIES, machine_tools::KEYRING},
};

/// Folder below that of the lists into which `apt-get install` downloads.
const ARCHIVES: &str = "cache/archives";

/// The packages of a suite.
pub(super) struct Packages<'a> {
    folder: PathBuf,
    arch: &'a Arch,
}

impl<'a> Packages<'a> {
    /// Fetches the lists of a source, which is an address and a suite, into a new folder.
    pub(super) fn list(source: &str, arch: &'a Arch, folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for part in ["lists/partial", &format!("{ARCHIVES}/partial")] {
            fs::create_dir_all(folder.join(part))?;
        }
        let source = format!("deb [arch={} signed-by={KEYRING}] {source} main\n", arch.debian);
        fs::write(folder.join("sources.list"), source)?;
        fs::write(folder.join("status"), "")?;
        let packages = Self { folder, arch };
        packages.run("apt-get", &["-qq", "update"])?;
        Ok(packages)
    }

    /// Returns a package and all that it depends on, one in a line.
    pub(super) fn depends(&self, package: &str) -> Result<String> {
        // Only strict dependencies, transitively.
        let only = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
        let only = only.map(|kind| format!("--no-{kind}"));
        let arguments: Vec<_> = only.iter().map(String::as_str).chain(["depends", "--recurse", package]).collect();
        self.run("apt-cache", &arguments)
    }

    /// Downloads packages without what they depend on.
    pub(super) fn download(&self, packages: &[&str]) -> Result<()> {
        self.run("apt-get", &[&["-qq", "download"], packages].concat()).map(drop)
    }

    /// Downloads packages with all that they depend on, as if nothing were installed.
    pub(super) fn download_all(&self, packages: &[&str]) -> Result<()> {
        let install = ["-qq", "-y", "--download-only", "--no-install-recommends", "install"];
        self.run("apt-get", &[&install, packages].concat()).map(drop)
    }

    /// Unpacks what was downloaded, and removes the lists.
    pub(super) fn unpack(self, to: &Path) -> Result<()> {
        // All or nothing: an existing folder is taken for complete.
        let partial = to.with_extension("part");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        for folder in [self.folder.clone(), self.folder.join(ARCHIVES)] {
            for entry in fs::read_dir(folder)? {
                let file = entry?.path();
                if file.extension().is_some_and(|extension| extension == "deb") {
                    process::run(Command::new("dpkg").arg("-x").args([&file, &partial]))?;
                }
            }
        }
        fs::rename(&partial, to).with_context(|| format!("nothing was downloaded for {}", to.display()))?;
        Ok(fs::remove_dir_all(&self.folder)?)
    }

    /// Runs a program of apt in the folder, into which it downloads, and returns its standard output.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let place = |option: &str, name: &str| format!("-oDir::{option}={}", self.folder.join(name).display());
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .args([place("Etc::sourcelist", "sources.list"), "-oDir::Etc::sourceparts=-".to_owned()])
            .args([place("State::lists", "lists"), place("State::status", "status"), place("Cache", "cache")])
            .args(["-oAcquire::Languages=none", "-oAPT::Sandbox::User=root"])
            .args([&format!("-oAPT::Architecture={}", self.arch.debian), RETRIES])
            .args(arguments);
        process::output(&mut command)
    }
}
