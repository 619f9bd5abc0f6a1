//! Makes the crates that `cargo install` builds without a BPF toolchain: tcptrace's carries the compiled kernel programs.

pub(crate) mod check;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{copy, version::VERSION};
use crate::{process, project::Project};

/// The packages of a release: the program, and the crates of this workspace that it is built from.
const PACKAGES: [&str; 3] = ["tcptrace", "tcptrace-core", "tcptrace-ebpf"];

/// Where tcptrace's build script looks for the object, from the root of the tree.
const CARRIED: &str = "tcptrace/prebuilt/tcptrace-bpf";

/// The crates, and what they were made from.
pub(crate) struct Crates {
    /// A `.crate` file for each of [`PACKAGES`], in that order.
    pub(crate) files: Vec<PathBuf>,
    /// The copy of the checkout that they were packaged from.
    sources: PathBuf,
}

/// Packages `sources`, a copy of the checkout, so that the object never lies in the checkout itself, where it would be used for
/// ever. `object` is the one that the packed program contains.
pub(crate) fn make(project: &Project, object: &Path, sources: PathBuf, folder: &Path) -> Result<Crates> {
    copy(object, &sources.join(CARRIED))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        for package in ["tcptrace", "tcptrace/core", "tcptrace-ebpf"] {
            copy(&project.root().join(licence), &sources.join(package).join(licence))?;
        }
    }
    let mut cargo = project.cargo("package");
    // The copy is no repository, and lies in a folder of one that ignores it. Building is a check of its own.
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

/// The name of a package's crate, which is that of the folder in it.
fn versioned(package: &str) -> String {
    format!("{package}-{VERSION}")
}
