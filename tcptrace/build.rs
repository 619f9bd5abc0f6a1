//! Compiles the kernel programs into an object file that the library embeds. A packaged crate carries that file.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain, build_ebpf};

fn main() -> Result<()> {
    // Read at run time, not at compile time: checkouts that share a target folder share this program.
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    if copy_carried(&package)? {
        return Ok(());
    }
    let workspace = package.parent().context("the package lies in its workspace")?;
    println!("cargo::rerun-if-changed={}", workspace.join("Cargo.lock").display());
    let toolchain = pinned_toolchain(&workspace.join("Cargo.toml"))?;
    find_linker()?;
    // SAFETY: nothing else runs in this process yet. The first lets a stable compiler build `core` for the bpf target, the
    // second keeps the inner cargo's progress out of the outer one's warnings, and the last two keep the folders of this
    // machine out of the object, so that it is the same, byte for byte, wherever it is built.
    unsafe {
        env::set_var("RUSTC_BOOTSTRAP", "1");
        env::set_var("CARGO_TERM_QUIET", "true");
        env::set_var("CARGO_UNSTABLE_TRIM_PATHS", "true");
        env::set_var("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all");
    }
    let package = workspace.join("tcptrace-ebpf");
    let root_dir = package.to_str().context("the path of the workspace is not UTF-8")?;
    build_ebpf([Package { name: "tcptrace-ebpf", root_dir, ..Package::default() }], Toolchain::Custom(&toolchain))
}

/// Copies the object that `cargo xtask dist` has put into a packaged crate, so that installing one needs no BPF toolchain.
/// Returns false if there is none, as in a checkout.
fn copy_carried(package: &Path) -> Result<bool> {
    let carried = package.join("prebuilt/tcptrace-bpf");
    if !carried.is_file() {
        return Ok(false);
    }
    println!("cargo::rerun-if-changed={}", carried.display());
    if env::var("CARGO_CFG_TARGET_ENDIAN").is_ok_and(|endian| endian == "big") {
        bail!("the kernel programs in this crate are for little-endian processors: build tcptrace from its repository");
    }
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    fs::copy(&carried, out_dir.join("tcptrace-bpf")).with_context(|| format!("cannot copy {}", carried.display()))?;
    Ok(true)
}

/// Returns the toolchain version in `[workspace.metadata.tools]`, the only place that names it.
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
