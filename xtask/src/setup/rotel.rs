//! The OpenTelemetry collector that an end-to-end test exports to: rotel, of the Python Package Index, which has its program. It
//! is unpacked under `target`, and not installed.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::process;

/// Folder under `target`, in which the test looks for the program.
const FOLDER: &str = "rotel";

/// The program in that folder.
const PROGRAM: &str = "rotel/rotel-agent";

/// Fetches and unpacks `version`, unless it is there.
pub(crate) fn ensure(target: &Path, version: &str) -> Result<()> {
    let folder = target.join(FOLDER);
    let record = folder.join(format!("rotel-{version}.dist-info"));
    if record.exists() && folder.join(PROGRAM).exists() {
        return Ok(());
    }
    eprintln!("xtask: fetching rotel {version}");
    // It gets its name when it is complete.
    let unpacked = target.join(format!("{FOLDER}.part"));
    for old in [&folder, &unpacked].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(&unpacked);
    process::run(pip.arg(format!("rotel=={version}")).stdout(std::io::stderr()))?;
    fs::rename(&unpacked, &folder).with_context(|| format!("cannot rename {}", unpacked.display()))
}
