//! The ladders in the documents are what the program draws.

use tcptrace_tests::{ladder_svg, ladders};

use super::read;

#[test]
fn the_picture_is_what_the_program_draws() {
    assert!(read("docs/ladder.svg") == ladder_svg(), "docs/ladder.svg is out of date: run `cargo xtask picture`");
}

#[test]
fn the_reset_in_the_readme_is_what_the_program_draws() {
    let drawn = ladders("reset.jsonl", "never");
    let close = drawn.split("\n\n").last().expect("two blocks").trim_end();
    assert!(close.contains("reset by the server"), "{drawn}");
    assert!(read("README.md").contains(&format!("```text\n{close}\n```")), "the README does not show this:\n{close}");
}
