//! Debian's kernels.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{arch::Arch, packages::Packages};

/// A kernel that can be requested.
pub(crate) struct Kernel {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Sources of its packages, each an address and a suite, of which the first that has them is used. Small suites, whose
    /// lists are a few hundred kilobytes, come first.
    sources: &'static [&'static str],
    /// The version in the name of its package, with a hyphen; empty for the suite's latest kernel.
    version: &'static str,
}

/// All kernels that can be requested, oldest first. Backports contain several kernels at a time: each is requested by its
/// full name.
pub(crate) const KERNELS: [Kernel; 5] = [
    Kernel { name: "5.10", sources: &[BULLSEYE_SECURITY, "http://deb.debian.org/debian bullseye"], version: "" },
    Kernel { name: "6.1", sources: &["http://deb.debian.org/debian-security bookworm-security"], version: "" },
    Kernel { name: "6.12", sources: &["http://deb.debian.org/debian-security trixie-security"], version: "" },
    Kernel { name: "7.2", sources: &[BACKPORTS], version: "7.2.12+deb13-" },
    Kernel { name: "7.3", sources: &[BACKPORTS], version: "7.3.4+deb13-" },
];

/// The updates of a release that is no longer supported: its lists name files for arm64 that the server no longer has.
const BULLSEYE_SECURITY: &str = "http://deb.debian.org/debian-security bullseye-security";

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
    /// Returns the kernel for a processor in its folder below `folder`, fetched unless it exists. Newer versions are not
    /// searched for: remove its folder to get Debian's latest.
    pub(crate) fn fetch(&self, arch: &Arch, folder: &Path) -> Result<Unpacked> {
        let own = folder.join(self.name);
        let unpacked = own.join("unpacked");
        if !unpacked.exists() {
            self.download(arch, &own, &unpacked).with_context(|| format!("cannot fetch the kernel {}", self.name))?;
        }
        find(&unpacked).with_context(|| {
            format!("{} holds no kernel with its modules: remove it and try again", unpacked.display())
        })
    }

    /// Downloads and unpacks it from the first source that has it.
    fn download(&self, arch: &Arch, own: &Path, unpacked: &Path) -> Result<()> {
        let mut outcome = Ok(());
        for source in self.sources {
            eprintln!("xtask: fetching the kernel {} for {} from {source}", self.name, arch.name);
            outcome = self.download_from(source, arch, own, unpacked);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn download_from(&self, source: &str, arch: &Arch, own: &Path, unpacked: &Path) -> Result<()> {
        let packages = Packages::list(source, arch, own.join("apt"))?;
        let depends = packages.depends(&self.package(arch))?;
        let parts: Vec<&str> = depends.lines().filter(|line| is_part(line)).collect();
        packages.download(&parts)?;
        packages.unpack(unpacked)
    }

    /// Returns the package that depends on all its parts. Kernels for virtual machines: they are small and boot quickly.
    fn package(&self, arch: &Arch) -> String {
        format!("linux-image-{}cloud-{}", self.version, arch.debian)
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
    use crate::vm::arch::ARCHS;

    #[test]
    fn the_package_is_that_of_the_processor() {
        let packages = |name: &str| {
            let kernel = KERNELS.iter().find(|kernel| kernel.name == name);
            kernel.map(|kernel| ARCHS.each_ref().map(|arch| kernel.package(arch)))
        };
        let expected = ["linux-image-cloud-amd64", "linux-image-cloud-arm64"].map(str::to_owned);
        assert_eq!(packages("6.12"), Some(expected));
        let expected = ["amd64", "arm64"].map(|arch| format!("linux-image-7.3.4+deb13-cloud-{arch}"));
        assert_eq!(packages("7.3"), Some(expected));
    }

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
