//! The checkout with all tools installed, which the sub-commands work with.

use std::{
    env::consts::ARCH,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    process,
    setup::{
        apt::{self, Tool},
        bpf_linker,
        cargo_tool::CargoTool,
        toolchain::Toolchain,
        wheels::{self, Wheels},
    },
    static_target::StaticTarget,
    workspace::Workspace,
};

/// The C compiler for static binaries.
const MUSL_COMPILER: &str = "musl-gcc";

/// Format of cargo's messages: JSON on stdout, and the compiler's diagnostics as text on stderr.
const MESSAGES: &str = "json-render-diagnostics";

/// The build profile of tcptrace.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Without optimisation.
    Debug,
    /// With optimisation, as run, tested and installed.
    Release,
}

/// A checkout that is ready to be built.
pub(crate) struct Project {
    workspace: Workspace,
    toolchain: Toolchain,
}

impl Project {
    /// Installs the missing pinned tools. Prints nothing if none is missing.
    pub(crate) fn set_up() -> Result<Self> {
        let project = Self::set_up_core()?;
        bpf_linker::ensure(&project.workspace, &project.toolchain)?;
        Ok(project)
    }

    /// Installs the toolchain if it is missing; the core and its fuzz targets need nothing else.
    pub(crate) fn set_up_core() -> Result<Self> {
        let workspace = Workspace::read()?;
        let toolchain = Toolchain::ensure(workspace.tool("toolchain")?)?;
        toolchain.pin(&workspace.root)?;
        Ok(Self { workspace, toolchain })
    }

    /// Returns a cargo command of the pinned toolchain.
    pub(crate) fn cargo(&self, command: &str) -> Command {
        let mut cargo = self.toolchain.command("cargo");
        cargo.arg(command);
        cargo
    }

    /// Returns a command that runs a program which, in turn, finds the cargo of the pinned toolchain.
    pub(crate) fn command(&self, program: &Path) -> Command {
        self.toolchain.command(program)
    }

    /// Installs a cargo tool if it is missing, and returns its program.
    pub(crate) fn tool(&self, name: &'static str) -> Result<PathBuf> {
        CargoTool::new(name, &self.workspace, &self.toolchain)?.ensure(|_| Ok(()))
    }

    /// Fetches packages of the Python Package Index unless they are there, and returns their folder.
    pub(crate) fn wheels(&self, wheels: Wheels) -> Result<PathBuf> {
        let versions: Result<Vec<_>> = wheels.packages.iter().map(|name| self.workspace.tool(name)).collect();
        wheels.ensure(self.target_dir(), &versions?)
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

    /// Installs the requirements of [`Self::build_static`].
    pub(crate) fn ensure_static(&self, target: &StaticTarget) -> Result<()> {
        self.ensure_target(target.triple())?;
        // The cryptography of TLS and the allocator are in C and assembly, and not every system has a compiler by the name
        // that cc looks for.
        if target.is_host() {
            return apt::ensure(&[Tool { program: MUSL_COMPILER, package: "musl-tools" }]);
        }
        self.wheels(wheels::ZIG).map(drop)
    }

    /// Builds a static tcptrace, and returns its path.
    pub(crate) fn build_static(&self, target: &StaticTarget) -> Result<PathBuf> {
        self.ensure_static(target)?;
        process::run(&mut self.static_build(target)?)?;
        Ok(self.target_dir().join(target.triple()).join("release").join("tcptrace"))
    }

    /// Builds static tests, the targets that `arguments` of `cargo test` choose, and returns cargo's messages.
    pub(crate) fn build_static_tests(&self, target: &StaticTarget, arguments: &[&str]) -> Result<String> {
        self.ensure_static(target)?;
        let mut cargo = self.static_cargo(target, "test")?;
        process::output(cargo.args(arguments).args(["--no-run", "--message-format", MESSAGES]))
    }

    /// Returns the object with the kernel programs in the program of [`Self::build_static`].
    pub(crate) fn static_object(&self, target: &StaticTarget) -> Result<PathBuf> {
        let messages = process::output(self.static_build(target)?.args(["--quiet", "--message-format", MESSAGES]))?;
        let folder = out_dir(&messages).context("cargo does not say where the build script of tcptrace has written")?;
        Ok(folder.join("tcptrace-bpf"))
    }

    /// Returns the command of [`Self::build_static`].
    fn static_build(&self, target: &StaticTarget) -> Result<Command> {
        let mut cargo = self.static_cargo(target, "build")?;
        cargo.args(["--package", "tcptrace", "--release"]);
        Ok(cargo)
    }

    /// Returns a cargo command, `build` or another one that builds, for a static target.
    fn static_cargo(&self, target: &StaticTarget, command: &str) -> Result<Command> {
        let mut cargo = if target.is_host() {
            let mut cargo = self.cargo(command);
            cargo.env(format!("CC_{}", target.triple().replace('-', "_")), MUSL_COMPILER);
            cargo
        } else {
            self.cross_cargo(command)?
        };
        cargo.args(["--locked", "--target", target.triple()]);
        Ok(cargo)
    }

    /// Returns a cargo command that builds for another processor.
    fn cross_cargo(&self, command: &str) -> Result<Command> {
        let zig = self.wheels(wheels::ZIG)?;
        let mut cargo = self.toolchain.command(zig.join("bin/cargo-zigbuild"));
        // All other commands have cargo's names.
        cargo.arg(if command == "build" { "zigbuild" } else { command });
        cargo.env("CARGO_ZIGBUILD_ZIG_PATH", zig.join("ziglang/zig"));
        for cache in ["CARGO_ZIGBUILD_CACHE_DIR", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"] {
            cargo.env(cache, zig.join("cache"));
        }
        Ok(cargo)
    }

    /// Returns a command for the toolchain's copy of objcopy(1), which supports the objects of all processors.
    pub(crate) fn objcopy(&self) -> Command {
        self.toolchain
            .command(self.toolchain.libraries().join(format!("rustlib/{ARCH}-unknown-linux-gnu/bin/rust-objcopy")))
    }

    /// Returns the folder with the programs of the pinned toolchain.
    pub(crate) fn toolchain_programs(&self) -> PathBuf {
        self.toolchain.programs()
    }

    /// Returns the path of the program that [`Self::build`] makes.
    pub(crate) fn binary(&self, profile: Profile) -> PathBuf {
        let folder = match profile {
            Profile::Debug => "debug",
            Profile::Release => "release",
        };
        self.target_dir().join(folder).join("tcptrace")
    }

    /// Returns the checkout's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.workspace.root
    }

    /// Returns the folder of the package with the fuzz targets.
    pub(crate) fn fuzz_package(&self) -> PathBuf {
        self.root().join("tcptrace/core/fuzz")
    }

    /// Returns the target folder.
    pub(crate) fn target_dir(&self) -> &Path {
        &self.workspace.target_dir
    }
}

/// Returns the output folder of tcptrace's build script, from cargo's messages of a build.
fn out_dir(messages: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let text = |key: &str| message.get(key).and_then(Value::as_str);
        let ours = text("reason")? == "build-script-executed" && text("package_id")?.contains("/tcptrace#");
        ours.then(|| text("out_dir").map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_build_script_of_tcptrace_among_others() {
        let message = |reason: &str, package: &str, folder: &str| {
            format!(r#"{{"reason":"{reason}","package_id":"path+file:///w/{package}#0.1.0","out_dir":"{folder}"}}"#)
        };
        let script = "build-script-executed";
        let other = message(script, "tcptrace-ebpf", "/a");
        let messages =
            [other.clone(), message("compiler-artifact", "tcptrace", "/b"), message(script, "tcptrace", "/c")];
        assert_eq!(out_dir(&messages.join("\n")), Some("/c".into()));
        assert_eq!(out_dir(&other), None);
    }
}
