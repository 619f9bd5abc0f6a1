//! Released cargo tools, built and installed into the target folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{process, setup::toolchain::Toolchain, workspace::Workspace};

/// A tool whose version the root manifest pins.
pub(crate) struct CargoTool<'a> {
    /// Name of the package and of its program.
    name: &'static str,
    version: &'a str,
    toolchain: &'a Toolchain,
    /// The folder of all tools.
    pub(super) folder: PathBuf,
}

impl<'a> CargoTool<'a> {
    /// Creates the tool of this name.
    pub(crate) fn new(name: &'static str, workspace: &'a Workspace, toolchain: &'a Toolchain) -> Result<Self> {
        Ok(Self { name, version: workspace.tool(name)?, toolchain, folder: workspace.target_dir.join("tools") })
    }

    /// Builds the tool unless the right version is installed; `prepare` adapts `cargo install`. Returns its program.
    pub(crate) fn ensure(&self, prepare: impl FnOnce(&mut Command) -> Result<()>) -> Result<PathBuf> {
        let program = self.folder.join("bin").join(self.name);
        let stamp_file = self.folder.join(format!("{}.stamp", self.name));
        let stamp = stamp(self.name, self.version, self.toolchain.version());
        if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) && starts(&program) {
            return Ok(program);
        }

        eprintln!("xtask: installing {} {} (a minute or two)", self.name, self.version);
        let build = self.folder.join("build");
        let mut cargo = self.install(&build);
        prepare(&mut cargo)?;
        process::run(&mut cargo)?;
        if !starts(&program) {
            bail!("{} does not start: run it with --help to see why", program.display());
        }
        fs::write(&stamp_file, stamp).with_context(|| format!("cannot write {}", stamp_file.display()))?;
        // The build folder is large and not needed again.
        fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
        Ok(program)
    }

    /// Returns the command with which cargo builds the released version.
    fn install(&self, build: &Path) -> Command {
        let mut cargo = self.toolchain.command("cargo");
        cargo
            .args(["install", "--quiet", "--locked", "--force"])
            .arg(format!("{}@{}", self.name, self.version))
            .arg("--root")
            .arg(&self.folder)
            .arg("--target-dir")
            .arg(build)
            // They run for seconds: building them with their authors' settings would take longer than that saves.
            .envs([("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"), ("CARGO_PROFILE_RELEASE_DEBUG", "none")])
            .envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")])
            .stdout(io::stderr());
        cargo
    }
}

/// Returns an identifier of the sources and the toolchain that a tool was built from.
fn stamp(name: &str, version: &str, toolchain: &str) -> String {
    format!("{name} {version}\ntoolchain {toolchain}\n")
}

/// Returns true if the program finds its libraries without the search path that cargo and rustup set for this process.
fn starts(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--help").env_remove("LD_LIBRARY_PATH").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_tells_versions_apart() {
        let first = stamp("bpf-linker", "0.13.0", "1.98.0");
        assert_eq!(first, "bpf-linker 0.13.0\ntoolchain 1.98.0\n");
        assert_ne!(first, stamp("bpf-linker", "0.13.0", "1.98.1"));
        assert_ne!(first, stamp("bpf-linker", "0.13.1", "1.98.0"));
    }

    #[test]
    fn what_is_not_there_does_not_start() {
        assert!(starts(Path::new("/bin/bash")));
        assert!(!starts(Path::new("/bin/no-such-program")));
    }
}
