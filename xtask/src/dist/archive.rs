//! The archive: a static binary with its manual, its completions and the documents, in one folder named after the version.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, id},
};

use anyhow::{Context as _, Result, ensure};

use super::{copy_files, remove, version::VERSION};
use crate::{process, project::Project, static_target::StaticTarget};

/// Files packed in the archive besides what cargo builds.
const TEXTS: [&str; 7] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Folders of documents packed in the archive, so that the links between them work there.
const DOCUMENTS: [&str; 2] = ["docs", "findings"];

/// Makes the archive of a binary, and of `share`, the manual and the completions.
pub(super) fn make(
    project: &Project,
    target: &StaticTarget,
    binary: &Path,
    share: &Path,
    folder: &Path,
) -> Result<PathBuf> {
    let name = name(target);
    let staged = folder.join(&name);
    stage(project.root(), binary, share, &staged).with_context(|| format!("cannot make {}", staged.display()))?;
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--numeric-owner", "--file"]).arg(&archive);
    process::run(tar.arg("--directory").arg(folder).arg(&name))?;
    fs::remove_dir_all(&staged).with_context(|| format!("cannot remove {}", staged.display()))?;
    Ok(archive)
}

/// Returns the name of the folder in the archive.
fn name(target: &StaticTarget) -> String {
    format!("tcptrace-{VERSION}-linux-{}", target.arch())
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

/// Unpacks the archive, and makes its program print its version and read a recording. One for another processor runs in an
/// emulator, which has no kernel of that processor to trace.
pub(crate) fn check(target: &StaticTarget, archive: &Path) -> Result<()> {
    let folder = env::temp_dir().join(format!("tcptrace-archive-{}", id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let checked = runs(target, archive, &folder, &folder.join(name(target)));
    remove(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    checked
}

fn runs(target: &StaticTarget, archive: &Path, folder: &Path, unpacked: &Path) -> Result<()> {
    process::run(Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(folder))?;
    let program = unpacked.join("tcptrace");
    let run = |arguments: &[&str]| process::output(target.run(&program)?.args(arguments).current_dir(unpacked));
    let version = run(&["--version"])?;
    ensure!(version.trim_end() == format!("tcptrace {VERSION}"), "it calls itself {version}");
    let ladder = run(&["-r", "docs/reset.jsonl"])?;
    let verdict = "reset by the server: it closed with data unread";
    ensure!(ladder.contains(verdict), "it does not say of docs/reset.jsonl `{verdict}`: {ladder}");
    Ok(())
}
