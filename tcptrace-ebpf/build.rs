//! Tells bpf-linker how to link the kernel programs, and builds them again when bpf-linker is another one.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "bpf") {
        // Otherwise every clearing of a few bytes becomes a call of a function that not every kernel's verifier accepts.
        println!("cargo::rustc-link-arg-bins=--disable-expand-memcpy-in-order");
    }
    let Some(path) = env::var_os("PATH") else { return };
    if let Some(linker) = env::split_paths(&path).map(|dir| dir.join("bpf-linker")).find(|file| Path::is_file(file)) {
        println!("cargo::rerun-if-changed={}", linker.display());
    }
}
