//! The files for other machines: packages, an archive, and crates, with the list of packages that they are built from and
//! their checksums.

pub(crate) mod archive;
pub(crate) mod crates;
pub(crate) mod rpm;
mod sbom;
mod version;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use self::crates::Crates;
use crate::{process, project::Project, static_target::StaticTarget};

/// Files whose tools take minutes to build, and which can be left out.
#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
pub(crate) enum Extra {
    /// The package for distributions with rpm
    Rpm,
    /// The list of packages that the program is built from
    Sbom,
}

/// The files made.
pub(crate) struct Dist {
    /// The Debian package; `[package.metadata.deb]` in tcptrace's manifest lists its content.
    pub(crate) package: PathBuf,
    /// The package for distributions with rpm.
    pub(crate) rpm: Option<PathBuf>,
    /// The archive with the static binary, manual pages and completions.
    pub(crate) archive: PathBuf,
    /// The crates from which `cargo install` builds the program, on any machine. They are made with the files for this one.
    pub(crate) crates: Option<Crates>,
    /// The list of packages that the program is built from.
    sbom: Option<PathBuf>,
    /// The checksums of all other files.
    sums: PathBuf,
}

impl Dist {
    /// Returns all files.
    pub(crate) fn files(&self) -> Vec<&Path> {
        let mut files = self.summed();
        files.push(&self.sums);
        files
    }

    fn summed(&self) -> Vec<&Path> {
        let crates = self.crates.iter().flat_map(|crates| &crates.files);
        let others = self.rpm.iter().chain(&self.sbom);
        [&self.package, &self.archive].into_iter().chain(others).chain(crates).map(PathBuf::as_path).collect()
    }
}

/// Builds and packs everything for a target, except `without`.
pub(crate) fn make(project: &Project, target: &StaticTarget, without: &[Extra]) -> Result<Dist> {
    version::check(project)?;
    let cargo_deb = project.tool("cargo-deb")?;
    let binary = project.build_static(target)?;
    let built = binary.parent().context("cargo builds in a folder")?;
    // cargo-deb looks for the files of the manifest in `target/release`.
    let share = built.join("share");
    remove(&share).with_context(|| format!("cannot remove {}", share.display()))?;
    let mut cargo = project.cargo("run");
    cargo.args(["--quiet", "--package", "tcptrace", "--example", "manual", "--locked", "--"]).arg(&share);
    process::run(&mut cargo)?;

    let folder = project.target_dir().join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let sources = folder.join("sources");
    copy_sources(project.root(), &sources)?;
    let wanted = |extra| !without.contains(&extra);
    let crates = || crates::make(project, &project.static_object(target)?, sources.clone(), &folder);
    let mut dist = Dist {
        // Before the list of packages, which leaves files among the sources.
        crates: target.is_host().then(crates).transpose()?,
        package: package(project, target, &cargo_deb, &folder)?,
        rpm: wanted(Extra::Rpm).then(|| rpm::make(project, target, &folder)).transpose()?,
        archive: archive::make(project, target, &binary, &share, &folder)?,
        sbom: wanted(Extra::Sbom).then(|| sbom::make(project, target, &sources, &folder)).transpose()?,
        sums: PathBuf::new(),
    };
    dist.sums = sbom::sums(target, &dist.summed(), &folder)?;
    Ok(dist)
}

/// Copies the files that git knows, or would add, to an empty folder.
fn copy_sources(root: &Path, to: &Path) -> Result<()> {
    remove(to).with_context(|| format!("cannot remove {}", to.display()))?;
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    for name in process::output(&mut git)?.split_terminator('\0') {
        let file = root.join(name);
        // A removed file whose removal is not committed yet is still listed.
        if file.is_file() {
            copy(&file, &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a file, and creates its folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Makes the Debian package from the built files.
fn package(project: &Project, target: &StaticTarget, cargo_deb: &Path, folder: &Path) -> Result<PathBuf> {
    let mut command = project.command(cargo_deb);
    if !target.is_host() {
        // It would call this machine's strip, which does not support other processors.
        command.arg("--no-strip");
    }
    command
        .args(["--no-build", "--package", "tcptrace", "--target", target.triple(), "--output"])
        .arg(folder)
        .current_dir(project.root());
    let written = process::output(&mut command)?;
    let package = written.lines().last().context("cargo-deb does not say what it has written")?;
    Ok(PathBuf::from(package))
}

/// Removes a folder left by an earlier run.
fn remove(folder: &Path) -> io::Result<()> {
    if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
}

/// Copies a folder with its subfolders.
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
