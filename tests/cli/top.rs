//! `tcptrace top` on a terminal, with a capture: its keys, and the terminal afterwards.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use rustix::process::Signal;
use tcptrace_tests::{Console, LIMIT, binary, eventually};

use crate::{only::Many, run, wrong_usage};

/// A terminal with the connections of a capture.
fn top(many: &Many, arguments: &[&str]) -> Console {
    let mut command = Command::new(binary());
    command.args(["top", "-r", "many.pcap"]).args(arguments).current_dir(many.path("")).env_remove("NO_COLOR");
    Console::start(&mut command, 80, 24)
}

fn read(console: &mut Console) -> String {
    // The keys are in the last line, which arrives last.
    console.wait("the file is read", |screen| {
        screen.contains("showing 428 of 428") && screen.contains("q quit") && !screen.contains("reading")
    })
}

#[test]
fn it_lists_filters_draws_ladders_writes_and_leaves() {
    let many = Many::new();
    let mut console = top(&many, &[]);
    let screen = read(&mut console);
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[0].starts_with("tcptrace top: 0 open, 0 stalled, 1 failed"), "{screen}");
    assert!(lines[2].contains("client → server"), "{screen}");
    assert!(lines[3].starts_with(">failed") && lines[3].contains("192.0.2.1:20199 → 192.0.2.2:80"), "{screen}");
    assert!(lines[4].starts_with(" closed"), "{screen}");
    assert!(screen.contains("reset by the server") && screen.contains("q quit"), "{screen}");
    assert!(console.has_color());

    console.press("f");
    console.wait("failures only", |screen| screen.contains("showing 1 of 428: failures only"));
    console.press("f/refu");
    let screen = console.wait("an unknown word", |screen| screen.contains("filter: refu_"));
    assert!(screen.contains("'refu' is not a known word; these begin with it: refused"), "{screen}");
    assert!(screen.contains("showing 428 of 428: all"), "the filter before stays: {screen}");
    console.press("\x15!failed");
    console.wait("a filter as it is typed", |screen| screen.contains("showing 427 of 428: !failed"));
    console.press("\x15failed\r");
    console.wait("another filter", |screen| screen.contains("showing 1 of 428: failed") && screen.contains("q quit"));

    console.press("\r");
    let screen = console.wait("a ladder", |screen| screen.contains("Esc back"));
    assert!(screen.contains("SYN") && screen.contains("RST"), "{screen}");
    console.press("q");
    console.wait("the list", |screen| screen.contains("q quit"));

    console.press("w");
    console.wait("the name of a file", |screen| screen.contains("wrote 2 records to tcptrace-top-1.jsonl"));
    let file = many.path("tcptrace-top-1.jsonl");
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let records = fs::read_to_string(&file).expect("it can be read");
    let types: Vec<&str> =
        records.lines().map(|line| if line.contains(r#""type":"close""#) { "close" } else { "other" }).collect();
    assert_eq!(types, ["other", "close"], "{records}");
    console.press("w");
    console.wait("another file", |screen| screen.contains("tcptrace-top-2.jsonl"));

    console.press("q");
    assert_eq!(console.finish(), Some(0));
}

#[test]
fn the_list_moves_sorts_and_follows_the_size_of_the_terminal() {
    let many = Many::new();
    let mut console = top(&many, &["--only", "!failed"]);
    console.wait("all but one", |screen| screen.contains("showing 427 of 428: !failed; by state"));
    console.press("ss");
    console.wait("by client", |screen| {
        screen.contains("by client") && screen.contains(">closed") && screen.contains("#1 ")
    });
    console.press("\x1b[B");
    console.wait("the next line", |screen| screen.contains("#2 192.0.2.1:20001"));
    console.press("\x1b[F");
    console.wait("the last line", |screen| screen.contains("#428 192.0.2.1:20427"));
    console.press("r");
    console.wait("the same, now the first", |screen| {
        screen.contains("reversed") && screen.contains("#428 192.0.2.1:20427")
    });
    console.press("\x1b[H");
    console.resize(60, 12);
    let screen = console.wait("six lines", |screen| {
        screen.lines().count() == 12
            && screen.lines().filter(|line| line.get(1..).is_some_and(|line| line.starts_with("closed "))).count() == 6
    });
    assert!(screen.lines().all(|line| line.chars().count() <= 60), "{screen}");
    console.resize(30, 5);
    console.wait("too small", |screen| screen.contains("needs 40x10"));
    console.press("\x03");
    assert_eq!(console.finish(), Some(0));
}

#[test]
fn a_terminal_that_does_not_tell_its_size_has_80_columns_and_24_lines() {
    let many = Many::new();
    let mut command = Command::new("sh");
    command
        .args(["-c", "stty rows 0 columns 0; exec \"$0\" top -r many.pcap"])
        .arg(binary())
        .current_dir(many.path(""));
    let mut console = Console::start(&mut command, 80, 24);
    let screen = read(&mut console);
    assert!(screen.lines().count() == 24 && screen.contains("q quit"), "{screen}");
    console.press("q");
    assert_eq!(console.finish(), Some(0));
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_is_refused() {
    let many = Many::new();
    let mut command = Command::new("env");
    command.arg("TERM=dumb").arg(binary()).args(["top", "-r", "many.pcap"]).current_dir(many.path(""));
    let mut console = Console::start(&mut command, 120, 24);
    console.wait("a reason", |screen| screen.contains("TERM says `dumb`"));
    assert_eq!(console.finish(), Some(2));
}

#[test]
fn without_colour_nothing_has_one() {
    let many = Many::new();
    let mut console = top(&many, &["--color", "never"]);
    read(&mut console);
    assert!(!console.has_color());
    console.press("q");
    assert_eq!(console.finish(), Some(0));
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    let many = Many::new();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mut console = top(&many, &[]);
        read(&mut console);
        console.process.signal(signal);
        assert_eq!(console.finish(), Some(0), "{signal:?}");
    }
}

#[test]
fn it_is_suspended_with_the_terminal_as_it_was_and_comes_back() {
    let many = Many::new();
    let mut console = top(&many, &[]);
    read(&mut console);
    for by_key in [true, false] {
        if by_key {
            console.press("\x1a");
        } else {
            console.process.signal(Signal::TSTP);
        }
        let stat = format!("/proc/{}/stat", console.process.id());
        eventually("it is stopped", LIMIT, || fs::read_to_string(&stat).expect("it runs").contains(") T "));
        console.assert_given_back();
        console.process.signal(Signal::CONT);
        read(&mut console);
    }
    console.press("q");
    assert_eq!(console.finish(), Some(0));
}

#[test]
fn a_damaged_file_shows_what_could_be_read_and_then_says_so() {
    let many = Many::new();
    let whole = fs::read(many.path("many.pcap")).expect("it is there");
    fs::write(many.path("many.pcap"), &whole[..whole.len() / 2]).expect("it can be written");
    let mut console = top(&many, &[]);
    console.wait("half of it", |screen| screen.contains("showing 21") && !screen.contains("reading"));
    console.press("q");
    assert_eq!(console.finish(), Some(1));
}

#[test]
fn without_a_terminal_it_is_refused() {
    let (code, stdout, stderr) = run(Command::new(binary()).args(["top", "-r", "x.pcap"]));
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert_eq!(
        stderr,
        "tcptrace: top needs a terminal on stdin and stdout: run it in one, or use `tcptrace -o list` for a file or a pipe\n"
    );
    wrong_usage(&["top", "--no-such-option"], "--no-such-option");
    wrong_usage(&["top", "--only", "resets"], "resets");
}
