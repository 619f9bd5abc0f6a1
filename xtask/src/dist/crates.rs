//! The crates that `cargo install` builds without a BPF toolchain: tcptrace's carries the compiled kernel programs.

pub(crate) mod check;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{copy, version::VERSION};
use crate::{process, project::Project};

/// The packages of a release: the program, and the crates of this workspace that it is built from.
const PACKAGES: [&str; 3] = ["tcptrace", "tcptrace-core", "tcptrace-ebpf"];

/// The object's path for tcptrace's build script, from the root of the tree.
const CARRIED: &str = "tcptrace/prebuilt/tcptrace-bpf";

/// The crates, and their sources.
pub(crate) struct Crates {
    /// A `.crate` file for each of [`PACKAGES`], in that order.
    pub(crate) files: Vec<PathBuf>,
    /// The copy of the checkout that they were packaged from.
    sources: PathBuf,
}

/// Packages `sources`, a copy of the checkout, so that the object is never in the checkout itself, where later builds would
/// use it. `object` is the one in the packed program.
pub(crate) fn make(project: &Project, object: &Path, sources: PathBuf, folder: &Path) -> Result<Crates> {
    copy(object, &sources.join(CARRIED))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        for package in ["tcptrace", "tcptrace/core", "tcptrace-ebpf"] {
            copy(&project.root().join(licence), &sources.join(package).join(licence))?;
        }
    }
    let mut cargo = project.cargo("package");
    // The copy is not a repository, and is in an ignored folder of one. Building is checked separately.
    cargo.args(["--quiet", "--locked", "--allow-dirty", "--no-verify", "--target-dir"]).arg(folder);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    process::run(cargo.current_dir(&sources))?;
    let mut files = Vec::new();
    for package in PACKAGES {
        let name = format!("{}.crate", versioned(package));
        let file = folder.join(&name);
        copy(&folder.join("package").join(&name), &file)?;
        files.push(file);
    }
    Ok(Crates { files, sources })
}

/// Returns the name of a package's crate, which is that of the folder in it.
fn versioned(package: &str) -> String {
    format!("{package}-{VERSION}")
}
