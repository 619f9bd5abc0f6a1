//! Checks of the crates: the object in them equals that of a fresh build, and `cargo install` needs no BPF toolchain.

use std::{
    env,
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::{self as std_process, Command},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{CARRIED, Crates, PACKAGES, versioned};
use crate::{dist, process, project::Project};

/// Runs both checks in a folder that is removed afterwards. It is outside the target folder, in which the build script would
/// find the BPF linker, and so differs from the checkout's path.
pub(crate) fn check(project: &Project, crates: &Crates) -> Result<()> {
    let folder = env::temp_dir().join(format!("tcptrace-crates-{}", std_process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let carried = crates.sources.join(CARRIED);
    let checked = fs::read(&carried)
        .with_context(|| format!("cannot read {}", carried.display()))
        .and_then(|object| same_as_fresh(project, &object, &crates.sources, &folder).map(|()| object))
        .and_then(|object| installs(project, &object, crates, &folder));
    dist::remove(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    checked
}

/// Compiles the kernel programs from a copy of the sources, with the flags of aya-build, and compares each byte.
fn same_as_fresh(project: &Project, carried: &[u8], sources: &Path, folder: &Path) -> Result<()> {
    let sources_there = folder.join("sources");
    dist::copy_files(sources, &sources_there).context("cannot copy the sources")?;
    let target = if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let target_dir = folder.join("object");
    let mut cargo = project.cargo("build");
    cargo
        .args(["--quiet", "--locked", "--package", "tcptrace-ebpf", "--bins", "--release"])
        .args(["--target", target, "-Z", "build-std=core", "--target-dir"])
        .arg(&target_dir)
        .current_dir(sources_there)
        .env("PATH", path([project.target_dir().join("tools/bin")])?)
        .envs([("RUSTC_BOOTSTRAP", "1"), ("CARGO_UNSTABLE_TRIM_PATHS", "true")])
        .env("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!("--cfg=bpf_target_arch=\"{ARCH}\"\x1f-Cdebuginfo=2\x1f-Clink-arg=--btf"),
        );
    process::run(&mut cargo)?;
    let fresh = target_dir.join(target).join("release/tcptrace-bpf");
    let fresh = fs::read(&fresh).with_context(|| format!("cannot read {}", fresh.display()))?;
    ensure!(
        fresh == carried,
        "the object in the crate ({} bytes) is not the one that a build in another folder makes ({} bytes)",
        carried.len(),
        fresh.len()
    );
    Ok(())
}

/// Unpacks the crates and installs the program with a home and a PATH that have the compiler and no BPF linker.
fn installs(project: &Project, carried: &[u8], crates: &Crates, folder: &Path) -> Result<()> {
    let unpacked = folder.join("crates");
    let home = folder.join("home");
    for made in [&unpacked, &home] {
        fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
    }
    for file in &crates.files {
        process::run(Command::new("tar").arg("--extract").arg("--file").arg(file).arg("--directory").arg(&unpacked))?;
    }
    let programs = project.toolchain_programs();
    let mut cargo = Command::new(programs.join("cargo"));
    cargo
        .env_clear()
        .env("HOME", &home)
        // The packages downloaded for the checkout are reused.
        .env("CARGO_HOME", cargo_home()?)
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .env("PATH", env::join_paths([programs, "/usr/bin".into(), "/bin".into()]).context("a folder has a colon")?)
        .current_dir(&unpacked)
        .args(["install", "--quiet", "--debug", "--path", &versioned("tcptrace"), "--root"])
        .arg(folder.join("installed"))
        .arg("--target-dir")
        .arg(folder.join("build"));
    for package in PACKAGES.iter().filter(|name| **name != "tcptrace") {
        cargo.args(["--config", &format!("patch.crates-io.{package}.path=\"{}\"", versioned(package))]);
    }
    process::run(&mut cargo)?;
    let program = folder.join("installed/bin/tcptrace");
    let version = process::output(Command::new(&program).arg("--version"))?;
    ensure!(version.trim_end() == format!("tcptrace {}", env!("CARGO_PKG_VERSION")), "it calls itself {version}");
    let bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    if !bytes.windows(carried.len()).any(|window| window == carried) {
        bail!("the installed program does not contain the kernel programs that its crate carries");
    }
    Ok(())
}

/// Returns the search path with these folders in front.
fn path(first: impl IntoIterator<Item = PathBuf>) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(first.into_iter().chain(env::split_paths(&path)))
        .context("a folder in PATH has a colon in its name")
}

/// Returns the folder of cargo's downloads.
fn cargo_home() -> Result<PathBuf> {
    let default = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(default).context("neither CARGO_HOME nor HOME is set")
}
