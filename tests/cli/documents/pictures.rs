//! The ladders in the documents are those that the program draws.

use tcptrace_tests::{ladder_svg, ladders};

use super::read;

/// Asserts that a document shows the block of a recording's ladders with this heading.
#[track_caller]
fn assert_shown(document: &str, recording: &str, heading: &str) {
    let drawn = ladders(recording);
    let block = drawn.split("\n\n").find(|block| block.contains(heading)).map(str::trim_end);
    let block = block.unwrap_or_else(|| panic!("no block says `{heading}`:\n{drawn}"));
    assert!(read(document).contains(&format!("```text\n{block}\n```")), "{document} does not show this:\n{block}");
}

#[test]
fn the_picture_is_what_the_program_draws() {
    assert!(read("docs/ladder.svg") == ladder_svg(), "docs/ladder.svg is out of date: run `cargo xtask picture`");
}

#[test]
fn the_ladders_as_text_are_what_the_program_draws() {
    assert_shown("README.md", "reset.jsonl", "reset by the server");
    assert_shown("docs/verdicts.md", "unfinished.jsonl", "unfinished:");
}
