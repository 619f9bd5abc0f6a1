//! bpf-linker, built against the LLVM of the pinned toolchain: it must read that compiler's bitcode.
//!
//! It goes into the target folder, where the build script of tcptrace looks for it.

use std::{ffi::OsString, fs, io, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{cargo_tool::CargoTool, toolchain::Toolchain};
use crate::{process, workspace::Workspace};

/// Builds bpf-linker unless the right version is installed.
pub(crate) fn ensure(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let tool = CargoTool::new("bpf-linker", workspace, toolchain)?;
    tool.ensure(|cargo| link_against(toolchain, &tool.folder.join("llvm"), cargo))?;
    Ok(())
}

/// Sets up cargo to link it against the LLVM of the toolchain, for which `prefix` becomes the installation folder.
fn link_against(toolchain: &Toolchain, prefix: &Path, cargo: &mut Command) -> Result<()> {
    let rustc = process::output(toolchain.command("rustc").arg("-vV"))?;
    let major = llvm_major(&rustc).context("`rustc -vV` names no LLVM version")?;
    link_llvm(&toolchain.libraries(), major, prefix)?;

    // The loader does not search the folder of the toolchain's LLVM by default.
    let mut flags = OsString::from("-Clink-arg=-Wl,-rpath,");
    flags.push(toolchain.libraries());

    cargo
        .args(["--no-default-features", "--features", &format!("llvm-{major}")])
        .env("LLVM_PREFIX", prefix)
        // The encoded form is not split at spaces, and takes precedence over RUSTFLAGS.
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    Ok(())
}

/// Returns the LLVM version in the output of `rustc -vV`.
fn llvm_major(rustc: &str) -> Option<u32> {
    let version = rustc.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

/// Creates an LLVM installation with the one library that the toolchain has, under the name that a linker looks for.
fn link_llvm(libraries: &Path, major: u32, prefix: &Path) -> Result<()> {
    let entries = fs::read_dir(libraries)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .with_context(|| format!("cannot list {}", libraries.display()))?;
    let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
    let library = shared_llvm(names, major).with_context(|| {
        format!(
            "there is no libLLVM.so.{major} in {}: this needs a toolchain with LLVM as a shared library, as rustup \
             installs it on x86-64 and AArch64",
            libraries.display()
        )
    })?;

    let folder = prefix.join("lib");
    let link = folder.join("libLLVM.so");
    let made = fs::create_dir_all(&folder).and_then(|()| match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(libraries.join(library), &link),
    });
    made.with_context(|| format!("cannot make the link {}", link.display()))
}

/// Returns the shared library among the files of a toolchain; a linker script with a similar name lies beside it.
fn shared_llvm(names: impl IntoIterator<Item = String>, major: u32) -> Option<String> {
    let start = format!("libLLVM.so.{major}");
    names.into_iter().find(|name| name.strip_prefix(&start).is_some_and(|rest| rest.starts_with(['.', '-'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_llvm_version() {
        let rustc = "rustc 1.98.0 (88d9e12ae 2026-08-18)\nhost: x86_64-unknown-linux-gnu\nrelease: 1.98.0\n\
                     LLVM version: 22.1.8\n";
        assert_eq!(llvm_major(rustc), Some(22));
        assert_eq!(llvm_major("release: 1.98.0\n"), None);
        assert_eq!(llvm_major("LLVM version: none\n"), None);
    }

    #[test]
    fn chooses_the_library_of_that_llvm() {
        let names = [
            "rustlib",
            "libLLVM-22-rust-1.98.0-stable.so",
            "libLLVM.so.221.0",
            "libLLVM.so.22.1-rust-1.98.0-stable",
            "librustc_driver-28a98848f7a7c026.so",
        ];
        let chosen = |major| shared_llvm(names.map(str::to_owned), major);
        assert_eq!(chosen(22).as_deref(), Some("libLLVM.so.22.1-rust-1.98.0-stable"));
        assert_eq!(chosen(21), None);
        assert_eq!(chosen(2), None);
    }

    #[test]
    fn links_again_over_a_stale_link() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-llvm-{}", std::process::id()));
        let library = folder.join("libLLVM.so.22.1");
        fs::create_dir_all(&folder)?;
        fs::write(&library, "")?;
        for _ in 0..2 {
            link_llvm(&folder, 22, &folder.join("llvm"))?;
            assert_eq!(fs::read_link(folder.join("llvm/lib/libLLVM.so"))?, library);
        }
        assert!(link_llvm(&folder, 21, &folder.join("llvm")).is_err());
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
