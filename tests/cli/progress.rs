//! The progress of a long read, shown on a terminal.

use std::{
    io::{PipeWriter, Write as _, pipe},
    process::{Command, Stdio},
};

use tcptrace_tests::{LIMIT, Screen, binary, eventually};

use crate::captures::whole_connection;

/// A read that lasts as long as it is fed; stderr is a terminal.
struct Long {
    child: std::process::Child,
    input: PipeWriter,
    frames: Vec<u8>,
    screen: Screen,
}

impl Long {
    fn new(arguments: &[&str]) -> Self {
        let (screen, other) = Screen::new();
        let (read, mut input) = pipe().expect("a pipe");
        let mut command = Command::new(binary());
        command.args(["-r", "-", "--json"]).args(arguments).env("TERM", "xterm");
        let child = command.stdin(read).stdout(Stdio::null()).stderr(other).spawn().expect("it starts");
        let file = whole_connection();
        let (head, frames) = file.split_at(24);
        input.write_all(head).expect("it is read");
        Self { child, input, frames: frames.repeat(200), screen }
    }

    fn feed(&mut self) {
        self.input.write_all(&self.frames).expect("it is read");
    }

    fn end(mut self) -> String {
        drop(self.input);
        assert!(self.child.wait().expect("it ends").success());
        self.screen.finish()
    }
}

#[test]
fn after_a_second_there_is_a_line_and_in_the_end_it_is_gone() {
    let mut long = Long::new(&[]);
    eventually("a line", LIMIT, || {
        long.feed();
        long.screen.shows("tcptrace: reading stdin: ")
    });
    let shown = long.end();
    // The line is erased from the first column on; only the messages of the run follow.
    let last = shown.rfind("\x1b[2K").expect("the line is erased");
    assert!(shown[..last].ends_with('\r'), "{shown:?}");
    assert!(!shown[last..].contains("reading"), "{shown:?}");
}

#[test]
fn whoever_wants_it_quiet_sees_nothing() {
    let (mut quiet, mut other) = (Long::new(&["-q"]), Long::new(&[]));
    eventually("a line of the other", LIMIT, || {
        quiet.feed();
        other.feed();
        other.screen.shows("tcptrace: reading stdin: ")
    });
    other.end();
    assert_eq!(quiet.end(), "");
}
