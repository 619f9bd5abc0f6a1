//! The checkout once all tools are there: what the sub-commands work with.

use std::{
    env::consts::ARCH,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    process,
    setup::{bpf_linker, cargo_tool::CargoTool, toolchain::Toolchain},
    workspace::Workspace,
};

/// How tcptrace is compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Quickly, and to run slowly.
    Debug,
    /// As it is run, tested and installed.
    Release,
}

/// A checkout that is ready to be built.
pub(crate) struct Project {
    workspace: Workspace,
    toolchain: Toolchain,
}

impl Project {
    /// Fetches the pinned tools where they are missing; says and does nothing where they are not.
    pub(crate) fn set_up() -> Result<Self> {
        let workspace = Workspace::read()?;
        let toolchain = Toolchain::ensure(workspace.tool("toolchain")?)?;
        toolchain.pin(&workspace.root)?;
        bpf_linker::ensure(&workspace, &toolchain)?;
        Ok(Self { workspace, toolchain })
    }

    /// A cargo command of the pinned toolchain.
    pub(crate) fn cargo(&self, command: &str) -> Command {
        let mut cargo = self.toolchain.command("cargo");
        cargo.arg(command);
        cargo
    }

    /// A command that runs a program of ours, which in its turn finds the cargo of the pinned toolchain.
    pub(crate) fn command(&self, program: &Path) -> Command {
        self.toolchain.command(program)
    }

    /// Fetches a tool of cargo's where it is missing, and returns its program.
    pub(crate) fn tool(&self, name: &'static str) -> Result<PathBuf> {
        CargoTool::new(name, &self.workspace, &self.toolchain)?.ensure(|_| Ok(()))
    }

    /// Builds tcptrace; its build script sees to the kernel programs.
    pub(crate) fn build(&self, profile: Profile) -> Result<()> {
        let mut cargo = self.cargo("build");
        cargo.args(["--package", "tcptrace", "--locked"]);
        if let Profile::Release = profile {
            cargo.arg("--release");
        }
        process::run(&mut cargo)
    }

    /// Builds tcptrace for machines that have none of its libraries, and returns where it is.
    pub(crate) fn build_static(&self) -> Result<PathBuf> {
        let target = self.static_target();
        self.toolchain.ensure_target(&target)?;
        let mut cargo = self.cargo("build");
        process::run(cargo.args(["--package", "tcptrace", "--locked", "--release", "--target", &target]))?;
        Ok(self.target_dir().join(target).join("release").join("tcptrace"))
    }

    /// What [`Self::build_static`] builds for.
    pub(crate) fn static_target(&self) -> String {
        format!("{ARCH}-unknown-linux-musl")
    }

    /// What [`Self::build`] makes.
    pub(crate) fn binary(&self, profile: Profile) -> PathBuf {
        let folder = match profile {
            Profile::Debug => "debug",
            Profile::Release => "release",
        };
        self.target_dir().join(folder).join("tcptrace")
    }

    /// The checkout's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.workspace.root
    }

    /// The package with the fuzz targets, which is a workspace of its own.
    pub(crate) fn fuzz_package(&self) -> PathBuf {
        self.root().join("tcptrace/core/fuzz")
    }

    /// Where cargo builds.
    pub(crate) fn target_dir(&self) -> &Path {
        &self.workspace.target_dir
    }
}
