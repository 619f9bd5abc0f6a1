//! The package for distributions with rpm; `[package.metadata.generate-rpm]` in tcptrace's manifest lists its content.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, id},
};

use anyhow::{Context as _, Result, ensure};

use super::version::VERSION;
use crate::{
    process,
    project::Project,
    root,
    setup::apt::{self, Tool},
    static_target::StaticTarget,
};

/// Name of the package.
const NAME: &str = "tcptrace-ebpf";

/// Creates it from the built files.
pub(crate) fn make(project: &Project, target: &StaticTarget, folder: &Path) -> Result<PathBuf> {
    let tool = project.tool("cargo-generate-rpm")?;
    let file = folder.join(format!("{NAME}-{VERSION}-1.{}.rpm", target.arch()));
    let mut command = project.command(&tool);
    command.args(["--package", "tcptrace", "--target", target.triple(), "--output"]).arg(&file);
    // A static program needs no libraries of the system.
    command.args(["--auto-req", "disabled"]).current_dir(project.root());
    process::run(&mut command)?;
    Ok(file)
}

/// Installs it into a folder as root, has rpm verify the files, and runs the program.
pub(crate) fn check(package: &Path) -> Result<()> {
    apt::ensure(&[Tool { program: "rpm", package: "rpm" }])?;
    let folder = env::temp_dir().join(format!("tcptrace-rpm-{}", id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let checked = installs(package, &folder);
    process::run(root::command("rm")?.args(["--recursive", "--force", "--"]).arg(&folder))?;
    checked
}

fn installs(package: &Path, folder: &Path) -> Result<()> {
    let rpm = || -> Result<Command> {
        let mut rpm = root::command("rpm")?;
        rpm.arg("--root").arg(folder);
        Ok(rpm)
    };
    process::run(rpm()?.args(["--install", "--"]).arg(package))?;
    // Verifies size, digest, mode, owner and kind of each file.
    process::run(rpm()?.args(["--verify", NAME]))?;
    let files = process::output(rpm()?.args(["--query", "--list", NAME]))?;
    for wanted in
        ["/usr/bin/tcptrace", "/usr/share/man/man1/tcptrace.1", "/usr/share/doc/tcptrace-ebpf/docs/install.md"]
    {
        ensure!(files.lines().any(|file| file == wanted), "{} has no {wanted}: {files}", package.display());
    }
    let said = process::output(Command::new(folder.join("usr/bin/tcptrace")).arg("--version"))?;
    ensure!(said.trim_end() == format!("tcptrace {VERSION}"), "the installed program calls itself {said}");
    process::run(rpm()?.args(["--erase", NAME]))?;
    ensure!(!folder.join("usr/bin/tcptrace").exists(), "the program is still there after the package was removed");
    Ok(())
}
