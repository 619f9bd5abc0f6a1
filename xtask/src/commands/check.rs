//! `cargo xtask check`: checks the code without running it.

use std::{env::consts::ARCH, process::Command};

use anyhow::Result;
use clap::Args;

use crate::{dependencies, layers, process, project::Project};

/// Check formatting, lints (the kernel programs' too) and documentation
#[derive(Args)]
pub(crate) struct Check {}

impl Check {
    /// Runs all checks, and stops at the first that fails.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        layers::check(project.root())?;
        let mut metadata = project.cargo("metadata");
        dependencies::check(&process::output(metadata.args(["--format-version", "1", "--locked"]))?)?;
        project.ensure_target(PORTABLE)?;
        let steps = [format(&project), lint(&project), lint_further_tests(&project), lint_kernel_programs(&project)];
        let steps = steps.into_iter().chain(CORE_FEATURES.map(|features| lint_core(&project, features)));
        for mut step in steps.chain([document(&project)]) {
            eprintln!("xtask: {}", process::command_line(&step));
            process::run(&mut step)?;
        }
        Ok(())
    }
}

/// The layout of all sources.
fn format(project: &Project) -> Command {
    let mut cargo = project.cargo("fmt");
    cargo.args(["--all", "--check"]);
    cargo
}

/// Returns the command that lints the code compiled for the host, tests and fuzz targets included.
fn lint(project: &Project) -> Command {
    let mut cargo = project.cargo("clippy");
    cargo.args(["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    cargo
}

/// Returns the command that lints the tests that need more than cargo. `--all-targets` does not include them, and where it is
/// given, cargo ignores the targets that are named.
fn lint_further_tests(project: &Project) -> Command {
    let mut cargo = project.cargo("clippy");
    cargo.args(["--workspace", "--test", "e2e", "--test", "package", "--locked", "--", "-D", "warnings"]);
    cargo
}

/// Returns the command that lints the kernel programs. For the host only a stub of them is compiled, and the library without
/// the parts that only the kernel has, so the lint above never sees them.
fn lint_kernel_programs(project: &Project) -> Command {
    let target = if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let mut cargo = project.cargo("clippy");
    cargo
        .args(["--package", "tcptrace-ebpf", "--lib", "--bins", "--release", "--locked"])
        .args(["--target", target, "-Z", "build-std=core", "--target-dir"])
        // In a folder of their own: these compiler flags would otherwise invalidate the cached builds.
        .arg(project.target_dir().join("clippy-bpf"))
        .args(["--", "-D", "warnings"])
        // There is no compiled `core` for this target, and a stable compiler builds it only on request.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", format!("--cfg=bpf_target_arch=\"{ARCH}\""));
    cargo
}

/// A target without an operating system, for which the core must compile.
const PORTABLE: &str = "wasm32-unknown-unknown";

/// Every set of features that the core can be built with.
const CORE_FEATURES: [&str; 3] = ["", "serde", "schema"];

/// Returns the command that lints the core with only these features, for a target without an operating system: cargo unites
/// the features that the members of a workspace request, so the lint above sees the core only with all of them.
fn lint_core(project: &Project, features: &str) -> Command {
    let mut cargo = project.cargo("clippy");
    cargo.args(["--package", "tcptrace-core", "--lib", "--locked", "--target", PORTABLE]).args([
        "--features",
        features,
        "--",
        "-D",
        "warnings",
    ]);
    cargo
}

/// The documentation, in particular its links.
fn document(project: &Project) -> Command {
    let mut cargo = project.cargo("doc");
    cargo.args(["--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    cargo
}
