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

/// Path of the service.
const UNIT: &str = "/usr/lib/systemd/system/tcptrace.service";

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

/// Installs it into a folder as root, has rpm verify the files and systemd make what the service needs, and runs the program.
pub(crate) fn check(package: &Path) -> Result<()> {
    apt::ensure(&[
        Tool { program: "rpm", package: "rpm" },
        Tool { program: "systemd-sysusers", package: "systemd" },
        Tool { program: "systemd-tmpfiles", package: "systemd" },
    ])?;
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
    for wanted in [
        "/usr/bin/tcptrace",
        "/usr/share/man/man1/tcptrace.1",
        "/usr/share/doc/tcptrace-ebpf/docs/install.md",
        "/etc/default/tcptrace",
        UNIT,
    ] {
        ensure!(files.lines().any(|file| file == wanted), "{} has no {wanted}: {files}", package.display());
    }
    let said = process::output(Command::new(folder.join("usr/bin/tcptrace")).arg("--version"))?;
    ensure!(said.trim_end() == format!("tcptrace {VERSION}"), "the installed program calls itself {said}");
    has_service(folder)?;
    process::run(rpm()?.args(["--erase", NAME]))?;
    ensure!(!folder.join("usr/bin/tcptrace").exists(), "the program is still there after the package was removed");
    Ok(())
}

/// Does what systemd's triggers do where rpm installs it into a running system. The service itself is the one that is tested
/// with the Debian package.
fn has_service(folder: &Path) -> Result<()> {
    let root = |program| -> Result<Command> {
        let mut command = root::command(program)?;
        command.arg("--root").arg(folder);
        Ok(command)
    };
    process::run(root("systemd-sysusers")?.arg("tcptrace.conf"))?;
    let users = fs::read_to_string(folder.join("etc/passwd")).context("systemd-sysusers has made no users")?;
    ensure!(users.lines().any(|user| user.starts_with("tcptrace:")), "there is no user tcptrace: {users}");
    process::run(root("systemd-tmpfiles")?.args(["--create", "tcptrace.conf"]))?;
    ensure!(folder.join("var/log/tcptrace").is_dir(), "systemd-tmpfiles has not made the folder of the recordings");
    Ok(())
}
