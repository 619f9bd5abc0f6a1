//! `cargo xtask picture`: draws `docs/ladder.svg` anew, from what the program prints about `docs/ladder.jsonl`.

use std::fs;

use tcptrace_tests::{documents, ladder_svg};

fn main() {
    let path = documents().join("ladder.svg");
    if let Err(error) = fs::write(&path, ladder_svg()) {
        eprintln!("tt-picture: cannot write {}: {error}", path.display());
        std::process::exit(1);
    }
}
