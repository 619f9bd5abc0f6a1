//! The checkout with all tools installed, which the sub-commands work with.

use std::{
    env::consts::ARCH,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    process,
    setup::{
        apt::{self, Tool},
        bpf_linker,
        cargo_tool::CargoTool,
        toolchain::Toolchain,
    },
    workspace::Workspace,
};

/// The C compiler for static binaries.
const MUSL_COMPILER: &str = "musl-gcc";

/// How tcptrace is compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Without optimisation.
    Debug,
    /// With optimisation, as it is run, tested and installed.
    Release,
}

/// A checkout that is ready to be built.
pub(crate) struct Project {
    workspace: Workspace,
    toolchain: Toolchain,
}

impl Project {
    /// Installs the pinned tools that are missing. Says nothing if none is.
    pub(crate) fn set_up() -> Result<Self> {
        let project = Self::set_up_core()?;
        bpf_linker::ensure(&project.workspace, &project.toolchain)?;
        Ok(project)
    }

    /// Installs the toolchain if it is missing, which is all that the core and its fuzz targets need.
    pub(crate) fn set_up_core() -> Result<Self> {
        let workspace = Workspace::read()?;
        let toolchain = Toolchain::ensure(workspace.tool("toolchain")?)?;
        toolchain.pin(&workspace.root)?;
        Ok(Self { workspace, toolchain })
    }

    /// A cargo command of the pinned toolchain.
    pub(crate) fn cargo(&self, command: &str) -> Command {
        let mut cargo = self.toolchain.command("cargo");
        cargo.arg(command);
        cargo
    }

    /// A command that runs a program which, in turn, finds the cargo of the pinned toolchain.
    pub(crate) fn command(&self, program: &Path) -> Command {
        self.toolchain.command(program)
    }

    /// Installs a cargo tool if it is missing, and returns its program.
    pub(crate) fn tool(&self, name: &'static str) -> Result<PathBuf> {
        CargoTool::new(name, &self.workspace, &self.toolchain)?.ensure(|_| Ok(()))
    }

    /// The pinned version of a tool.
    pub(crate) fn version_of(&self, tool: &str) -> Result<&str> {
        self.workspace.tool(tool)
    }

    /// Installs the standard library for another target where it is missing.
    pub(crate) fn ensure_target(&self, target: &str) -> Result<()> {
        self.toolchain.ensure_target(target)
    }

    /// Builds tcptrace, including the kernel programs, which its build script compiles.
    pub(crate) fn build(&self, profile: Profile) -> Result<()> {
        let mut cargo = self.cargo("build");
        cargo.args(["--package", "tcptrace", "--locked"]);
        if let Profile::Release = profile {
            cargo.arg("--release");
        }
        process::run(&mut cargo)
    }

    /// Installs what [`Self::build_static`] takes.
    pub(crate) fn ensure_static(&self) -> Result<()> {
        self.ensure_target(&self.static_target())?;
        // The cryptography of TLS is in C and assembly, and not every system has a compiler by the name that cc looks for.
        apt::ensure(&[Tool { program: MUSL_COMPILER, package: "musl-tools" }])
    }

    /// Builds a static tcptrace, and returns its path.
    pub(crate) fn build_static(&self) -> Result<PathBuf> {
        self.ensure_static()?;
        let target = self.static_target();
        let mut cargo = self.cargo("build");
        cargo.env(format!("CC_{}", target.replace('-', "_")), MUSL_COMPILER);
        process::run(cargo.args(["--package", "tcptrace", "--locked", "--release", "--target", &target]))?;
        Ok(self.target_dir().join(target).join("release").join("tcptrace"))
    }

    /// The target triple of [`Self::build_static`].
    pub(crate) fn static_target(&self) -> String {
        format!("{ARCH}-unknown-linux-musl")
    }

    /// The path of the program that [`Self::build`] makes.
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

    /// The package with the fuzz targets.
    pub(crate) fn fuzz_package(&self) -> PathBuf {
        self.root().join("tcptrace/core/fuzz")
    }

    /// The target folder.
    pub(crate) fn target_dir(&self) -> &Path {
        &self.workspace.target_dir
    }
}
