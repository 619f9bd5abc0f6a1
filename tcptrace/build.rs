//! Compiles the kernel programs into an object file that the library embeds.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain, build_ebpf};

fn main() -> Result<()> {
    // Not when this is compiled: checkouts that share a target folder share this program.
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let workspace = package.parent().context("the package lies in its workspace")?;
    println!("cargo::rerun-if-changed={}", workspace.join("Cargo.lock").display());
    let toolchain = pinned_toolchain(&workspace.join("Cargo.toml"))?;
    find_linker()?;
    // SAFETY: nothing else runs in this process yet. The first lets a stable compiler build `core` for the bpf target,
    // the second keeps the inner cargo's progress out of the outer one's warnings.
    unsafe {
        env::set_var("RUSTC_BOOTSTRAP", "1");
        env::set_var("CARGO_TERM_QUIET", "true");
    }
    let package = workspace.join("tcptrace-ebpf");
    let root_dir = package.to_str().context("the path of the workspace is not UTF-8")?;
    build_ebpf([Package { name: "tcptrace-ebpf", root_dir, ..Package::default() }], Toolchain::Custom(&toolchain))
}

/// The toolchain version in `[workspace.metadata.tools]`, the only place that names it.
fn pinned_toolchain(manifest: &Path) -> Result<String> {
    println!("cargo::rerun-if-changed={}", manifest.display());
    let text = fs::read_to_string(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("toolchain = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .with_context(|| format!("{} names no toolchain", manifest.display()))
}

/// Puts bpf-linker on the path: the one that `cargo xtask` installed in the target folder, or the user's own.
fn find_linker() -> Result<()> {
    println!("cargo::rerun-if-env-changed=PATH");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = out_dir.ancestors().map(|dir| dir.join("tools/bin")).find(|dir| dir.join("bpf-linker").is_file());
    let dirs: Vec<PathBuf> = installed.into_iter().chain(env::split_paths(&path)).collect();
    if !dirs.iter().any(|dir| dir.join("bpf-linker").is_file()) {
        bail!("bpf-linker is missing: run `cargo xtask build` once, which installs it inside the target folder");
    }
    // SAFETY: as above, nothing else runs in this process.
    unsafe { env::set_var("PATH", env::join_paths(dirs).context("a folder in PATH has a colon in its name")?) };
    Ok(())
}
