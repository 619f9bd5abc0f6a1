//! The top level of the tree.

use super::{fs, root};

/// What people expect there, and what `cargo xtask` makes. Dot files may be there, too.
const EXPECTED: [&str; 18] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "docs",
    "findings",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "target",
    "tcptrace",
    "tcptrace-ebpf",
    "tests",
    "xtask",
];

#[test]
fn nothing_that_a_command_has_left_behind_is_at_the_top() {
    let entries = fs::read_dir(root()).expect("the tree");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let others: Vec<_> = names.filter(|name| !name.starts_with('.') && !EXPECTED.contains(&&**name)).collect();
    assert!(others.is_empty(), "{others:?}");
}
