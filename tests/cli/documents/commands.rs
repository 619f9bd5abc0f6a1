//! The command lines in the documents can be typed.

use std::process::Command;

use pulldown_cmark::{Event, Options, Parser};
use tcptrace_tests::binary;

use super::{documents, options, options_there, read, root, section};

/// Pieces of code in a document: what stands between backquotes, and each line of its blocks of commands.
fn codes(text: &str) -> Vec<String> {
    let mut codes = Vec::new();
    let mut fenced = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(pulldown_cmark::Tag::CodeBlock(_)) => fenced = true,
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => fenced = false,
            Event::Code(code) => codes.push(code.into_string()),
            Event::Text(text) if fenced => codes.extend(text.lines().map(str::to_owned)),
            _ => {}
        }
    }
    codes
}

/// The parts of a pipeline that run the program, without what stands before its name.
fn calls(code: &str) -> impl Iterator<Item = &str> {
    code.split(['|', ';']).filter_map(|part| {
        let part = part.trim().trim_start_matches("$ ").trim_start_matches("ssh host ").trim_start_matches("sudo ");
        part.strip_prefix("tcptrace ")
    })
}

#[test]
fn every_option_in_a_command_line_exists() {
    let there = options_there();
    let mut seen = 0;
    for document in documents() {
        for code in codes(&read(&document)) {
            // `doctor` has an option of its own, which its own tests use.
            for call in calls(&code).filter(|call| !call.starts_with("doctor")) {
                let words = call.split_whitespace().filter(|word| word.starts_with('-') && *word != "--");
                for option in words.flat_map(options) {
                    seen += 1;
                    assert!(there.contains(option), "{}: {option} does not exist: {code}", document.display());
                }
            }
        }
    }
    assert!(seen > 40, "only {seen}");
}

#[test]
fn every_command_in_the_readme_is_understood() {
    let section = section("README.md", "I want to know …");
    let commands = codes(&section).into_iter().filter(|code| calls(code).next().is_some());
    let mut run = 0;
    for command in commands {
        // Reads a recording in place of tracing, and in place of the files and hosts that are named.
        let script = r#"
            ssh() { shift; "$@"; }
            sudo() { "$@"; }
            tcptrace() {
                case " $* " in
                *" doctor "*) "$PROGRAM" doctor > /dev/null || true ;;
                *" -r - "*) "$PROGRAM" "$@" ;;
                *" -r "*) shift 2; "$PROGRAM" -r "$RECORDING" "$@" ;;
                *) "$PROGRAM" -r "$RECORDING" "$@" ;;
                esac
            }
        "#;
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", &format!("{script}\n{command}")])
            .env("PROGRAM", binary())
            .env("RECORDING", root().join("docs/reset.jsonl"))
            .current_dir(folder.path())
            .output()
            .expect("bash can be started");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
        run += 1;
    }
    assert!(run > 12, "only {run}");
}
