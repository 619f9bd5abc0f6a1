//! Debian's kernels: found, downloaded and unpacked by apt and dpkg, with package lists of their own, independent of this
//! machine's suites.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    process,
    setup::{apt::RETRIES, machine_tools::KEYRING},
};

/// A kernel that can be requested.
pub(crate) struct Kernel {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Source of its packages: an address and a suite. Small suites, whose lists are a few hundred kilobytes.
    source: &'static str,
    /// The package that depends on all its parts. Kernels for virtual machines: they are small and boot quickly.
    package: &'static str,
}

/// The suite's latest kernel for virtual machines.
const LATEST: &str = "linux-image-cloud-amd64";

/// All kernels that can be requested, oldest first. Backports contain several kernels at a time: each is requested by its
/// full name.
pub(crate) const KERNELS: [Kernel; 5] = [
    Kernel { name: "5.10", source: "http://deb.debian.org/debian-security bullseye-security", package: LATEST },
    Kernel { name: "6.1", source: "http://deb.debian.org/debian-security bookworm-security", package: LATEST },
    Kernel { name: "6.12", source: "http://deb.debian.org/debian-security trixie-security", package: LATEST },
    Kernel { name: "7.2", source: BACKPORTS, package: "linux-image-7.2.12+deb13-cloud-amd64" },
    Kernel { name: "7.3", source: BACKPORTS, package: "linux-image-7.3.4+deb13-cloud-amd64" },
];

/// The suite of kernels newer than those of Debian's stable release.
const BACKPORTS: &str = "http://deb.debian.org/debian trixie-backports";

/// Prefixes of the names of a kernel's packages; since 7.2 there are two. A digit must follow.
const PARTS: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];

/// An unpacked kernel.
pub(crate) struct Unpacked {
    /// The release, as printed by `uname -r`.
    pub(crate) release: String,
    /// The image to boot.
    pub(crate) image: PathBuf,
    /// The folder of its modules.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// Returns the kernel in its folder below `folder`, fetched unless it exists. Newer versions are not searched for:
    /// remove its folder to get Debian's latest.
    pub(crate) fn fetch(&self, folder: &Path) -> Result<Unpacked> {
        let own = folder.join(self.name);
        let unpacked = own.join("unpacked");
        if !unpacked.exists() {
            self.download(&own, &unpacked).with_context(|| format!("cannot fetch the kernel {}", self.name))?;
        }
        find(&unpacked).with_context(|| {
            format!("{} holds no kernel with its modules: remove it and try again", unpacked.display())
        })
    }

    /// Downloads and unpacks it.
    fn download(&self, own: &Path, unpacked: &Path) -> Result<()> {
        eprintln!("xtask: fetching the kernel {}", self.name);
        let apt = Apt::new(own.join("apt"), self.source)?;
        apt.run("apt-get", |command| command.args(["-qq", "update"]))?;
        // Only strict dependencies, transitively.
        let only = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
        let depends = apt.run("apt-cache", |command| {
            command.args(["depends", "--recurse"]).args(only.map(|kind| format!("--no-{kind}"))).arg(self.package)
        })?;
        let packages: Vec<&str> = depends.lines().filter(|line| is_part(line)).collect();
        apt.run("apt-get", |command| command.args(["-qq", "download"]).args(&packages))?;

        // All or nothing: an existing folder is taken for complete.
        let partial = own.join("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        for entry in fs::read_dir(&apt.folder)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                process::run(Command::new("dpkg").arg("-x").args([&file, &partial]))?;
            }
        }
        fs::rename(&partial, unpacked)?;
        fs::remove_dir_all(&apt.folder)?;
        Ok(())
    }
}

/// apt with a source, lists and a cache of its own, independent of the packages installed here.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: PathBuf, source: &str) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("sources.list"), format!("deb [arch=amd64 signed-by={KEYRING}] {source} main\n"))?;
        fs::write(folder.join("status"), "")?;
        Ok(Self { folder })
    }

    /// Runs a program of apt in the folder, into which it downloads, and returns its standard output.
    fn run(&self, program: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<String> {
        let place = |option: &str, name: &str| format!("-oDir::{option}={}", self.folder.join(name).display());
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .args([place("Etc::sourcelist", "sources.list"), "-oDir::Etc::sourceparts=-".to_owned()])
            .args([place("State::lists", "lists"), place("State::status", "status"), place("Cache", "cache")])
            .args(["-oAcquire::Languages=none", "-oAPT::Sandbox::User=root", "-oAPT::Architecture=amd64"])
            .arg(RETRIES);
        process::output(arguments(&mut command))
    }
}

/// Returns true if a line of `apt-cache depends` is the name of a package with a part of a kernel.
fn is_part(line: &str) -> bool {
    let version = PARTS.iter().find_map(|part| line.strip_prefix(part));
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

/// Returns the kernel in a folder; since 7.2 it lies beside its modules.
fn find(unpacked: &Path) -> Option<Unpacked> {
    let modules = ["lib/modules", "usr/lib/modules"].map(|place| unpacked.join(place));
    let modules = fs::read_dir(modules.iter().find(|place| place.is_dir())?).ok()?.flatten().next()?.path();
    let release = modules.file_name()?.to_str()?.to_owned();
    let images = [modules.join("vmlinuz"), unpacked.join(format!("boot/vmlinuz-{release}"))];
    let image = images.into_iter().find(|image| image.is_file())?;
    Some(Unpacked { release, image, modules })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_packages_of_the_kernel_alone() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-7.2.12+deb13-cloud-amd64\nlinux-base\n\
                       linux-image-7.2.12+deb13-cloud-amd64\nlinux-base-7.2.12+deb13-cloud-amd64\n\
                       linux-binary-7.2.12+deb13-cloud-amd64\nlinux-modules-7.2.12+deb13-cloud-amd64\n";
        let parts: Vec<_> = depends.lines().filter(|line| is_part(line)).collect();
        let expected = ["linux-image-", "linux-binary-", "linux-modules-"];
        assert_eq!(parts, expected.map(|part| format!("{part}7.2.12+deb13-cloud-amd64")));
    }

    #[test]
    fn finds_the_kernel_in_either_place() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-kernel-{}", std::process::id()));
        for (modules, image) in [
            ("lib/modules/6.1.0-56", "boot/vmlinuz-6.1.0-56"),
            ("usr/lib/modules/7.2.12", "usr/lib/modules/7.2.12/vmlinuz"),
        ] {
            let unpacked = folder.join(image);
            fs::create_dir_all(unpacked.join(modules))?;
            assert!(find(&unpacked).is_none());
            fs::create_dir_all(unpacked.join("boot"))?;
            fs::write(unpacked.join(image), "")?;
            let found = find(&unpacked).context("a kernel")?;
            assert_eq!((found.image, found.modules), (unpacked.join(image), unpacked.join(modules)));
            assert!(modules.ends_with(&found.release));
        }
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
