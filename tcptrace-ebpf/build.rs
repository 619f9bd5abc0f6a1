//! Tells bpf-linker how to link the kernel programs, and rebuilds them when bpf-linker changes.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "bpf") {
        // Otherwise clearing a few bytes becomes a function call, which not every kernel's verifier accepts.
        println!("cargo::rustc-link-arg-bins=--disable-expand-memcpy-in-order");
    }
    let Some(path) = env::var_os("PATH") else { return };
    if let Some(linker) = env::split_paths(&path).map(|dir| dir.join("bpf-linker")).find(|file| Path::is_file(file)) {
        println!("cargo::rerun-if-changed={}", linker.display());
    }
}
