//! The Python packages used by tests, including the engines of docs/analysis.md: exactly the listed versions, under
//! `target`.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::apt::{self, Tool};
use crate::process;

/// Folder under `target` in which the tests look for the packages.
const FOLDER: &str = "python";

/// The packages with their versions, from the root of the tree.
const LIST: &str = "tests/e2e/requirements.txt";

/// Installs the packages, unless exactly these are installed.
pub(crate) fn ensure(root: &Path, target: &Path) -> Result<()> {
    let list = root.join(LIST);
    let wanted = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let (folder, stamp) = (target.join(FOLDER), target.join(format!("{FOLDER}.stamp")));
    if folder.is_dir() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    apt::ensure(&[Tool { program: "python3", package: "python3" }])?;
    ensure_pip()?;
    eprintln!("xtask: installing Python packages for the tests (half a gigabyte in {})", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action", "ignore"])
        // The list is complete. Compiled files would take ten seconds to write, and are used once.
        .args(["--no-deps", "--no-compile", "--only-binary", ":all:", "--target"])
        .arg(&folder)
        .arg("--requirement")
        .arg(&list)
        .stdout(io::stderr());
    process::run(&mut pip)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Installs pip if Python has none: Debian packages it separately.
pub(super) fn ensure_pip() -> Result<()> {
    if has_pip() {
        return Ok(());
    }
    apt::install(&["python3-pip"])?;
    if !has_pip() {
        bail!("`python3 -m pip` does not start: install pip for the python3 that is on PATH");
    }
    Ok(())
}

fn has_pip() -> bool {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    pip.status().is_ok_and(|status| status.success())
}
