//! The command lines in the documents are valid.

use std::process::{Command, Output};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use tcptrace_tests::binary;

use super::{documents, options, options_there, read, root, section};

/// Returns the code in a document: the text between backquotes, and its blocks.
fn codes(text: &str) -> Vec<String> {
    let mut codes = Vec::new();
    let mut block: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match (event, &mut block) {
            (Event::Start(Tag::CodeBlock(_)), _) => block = Some(String::new()),
            (Event::Text(text), Some(block)) => block.push_str(&text),
            (Event::End(TagEnd::CodeBlock), _) => codes.extend(block.take()),
            (Event::Code(code), _) => codes.push(code.into_string()),
            _ => {}
        }
    }
    codes
}

/// Returns the parts of a pipeline that run the program, from its name on.
fn calls(code: &str) -> impl Iterator<Item = &str> {
    code.split(['|', ';', '\n']).filter_map(|part| {
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
            // `doctor` has an option of its own, which its own tests use, and those of `leaks` are all among the others.
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
    let printed: Vec<_> = commands.map(|command| print(&command)).collect();
    assert!(printed.len() > 10, "only {}", printed.len());
    for said in ["reset by the server: it closed with data unread", r#"["server","curl","python3"]"#] {
        assert!(printed.iter().any(|text| text.contains(said)), "{said}: {printed:?}");
    }
}

/// Runs a command line with a recording in place of this host, and of the files and hosts in it. Returns its output.
#[track_caller]
fn print(command: &str) -> String {
    let script = r#"
        ssh() { shift; "$@"; }
        sudo() { "$@"; }
        tcptrace() {
            case " $* " in
            *" -r - "*) "$PROGRAM" "$@" ;;
            *" -r "*) shift 2; "$PROGRAM" -r "$RECORDING" "$@" ;;
            " doctor ") "$PROGRAM" doctor --help ;;
            # A command would be traced: whatever stands before it is understood, or --help is not reached.
            *" -- "*)
                options=()
                while [ "$1" != -- ]; do options+=("$1"); shift; done
                "$PROGRAM" "${options[@]}" --help ;;
            # Only a live trace serves metrics.
            *" --metrics "*) "$PROGRAM" "$@" --help ;;
            # No collector is there.
            *" --otlp "*) "$PROGRAM" "$@" --help ;;
            # It needs a terminal.
            " top ") "$PROGRAM" top --help ;;
            " leaks ") "$PROGRAM" leaks -r "$RECORDING" ;;
            *) "$PROGRAM" -r "$RECORDING" "$@" ;;
            esac
        }
    "#;
    let folder = tempfile::tempdir().expect("a folder");
    let Output { status, stdout, stderr } = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &format!("{script}\n{command}")])
        .env("PROGRAM", binary())
        .env("RECORDING", root().join("docs/reset.jsonl"))
        .current_dir(folder.path())
        .output()
        .expect("bash can be started");
    assert!(status.success(), "{command}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("UTF-8")
}
