//! Makes the files that are installed on other machines: a Debian package, an archive, and crates.

pub(crate) mod crates;

use std::{
    env::consts::ARCH,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use self::crates::Crates;
use crate::{process, project::Project};

/// Files packed in the archive besides what cargo builds.
const TEXTS: [&str; 7] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Folders of documents packed in the archive, so that the links between them work there.
const DOCUMENTS: [&str; 2] = ["docs", "findings"];

/// The files made.
pub(crate) struct Dist {
    /// The Debian package; `[package.metadata.deb]` in tcptrace's manifest lists its content.
    pub(crate) package: PathBuf,
    /// The archive with the static binary, manual pages and completions.
    pub(crate) archive: PathBuf,
    /// What `cargo install` builds the program from.
    pub(crate) crates: Crates,
}

/// Builds and packs everything.
pub(crate) fn make(project: &Project) -> Result<Dist> {
    let cargo_deb = project.tool("cargo-deb")?;
    let binary = project.build_static()?;
    let built = binary.parent().context("cargo builds in a folder")?;
    // Where cargo-deb looks for what the manifest says is in `target/release`.
    let share = built.join("share");
    remove(&share).with_context(|| format!("cannot remove {}", share.display()))?;
    let mut cargo = project.cargo("run");
    cargo.args(["--quiet", "--package", "tcptrace", "--example", "manual", "--locked", "--"]).arg(&share);
    process::run(&mut cargo)?;

    let folder = project.target_dir().join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(Dist {
        package: package(project, &cargo_deb, &folder)?,
        archive: archive(project, &binary, &share, &folder)?,
        crates: crates::make(project, &project.static_object()?, &folder)?,
    })
}

/// Makes the Debian package from the built files.
fn package(project: &Project, cargo_deb: &Path, folder: &Path) -> Result<PathBuf> {
    let mut command = project.command(cargo_deb);
    command
        .args(["--no-build", "--package", "tcptrace", "--target", &project.static_target(), "--output"])
        .arg(folder)
        .current_dir(project.root());
    let written = process::output(&mut command)?;
    let package = written.lines().last().context("cargo-deb does not say what it has written")?;
    Ok(PathBuf::from(package))
}

/// Makes the archive, which has one folder named after the version.
fn archive(project: &Project, binary: &Path, share: &Path, folder: &Path) -> Result<PathBuf> {
    // All packages of the workspace have the same version.
    let name = format!("tcptrace-{}-linux-{ARCH}", env!("CARGO_PKG_VERSION"));
    let staged = folder.join(&name);
    stage(project.root(), binary, share, &staged).with_context(|| format!("cannot make {}", staged.display()))?;
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--numeric-owner", "--file"]).arg(&archive);
    process::run(tar.arg("--directory").arg(folder).arg(&name))?;
    fs::remove_dir_all(&staged).with_context(|| format!("cannot remove {}", staged.display()))?;
    Ok(archive)
}

/// Copies the files of the archive into a folder.
fn stage(root: &Path, binary: &Path, share: &Path, to: &Path) -> io::Result<()> {
    remove(to)?;
    copy_files(share, to)?;
    fs::copy(binary, to.join("tcptrace"))?;
    for text in TEXTS {
        fs::copy(root.join(text), to.join(text))?;
    }
    for folder in DOCUMENTS {
        copy_files(&root.join(folder), &to.join(folder))?;
    }
    Ok(())
}

/// Removes a folder left by an earlier run.
fn remove(folder: &Path) -> io::Result<()> {
    if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
}

/// Copies a folder with its folders.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_files(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}
