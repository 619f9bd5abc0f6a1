//! Whoever waits at a terminal for a long read sees how far it has come.

use std::{
    fs::{File, OpenOptions},
    io::{PipeWriter, Read as _, Write as _, pipe},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
};

use rustix::{
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tcptrace_tests::{LIMIT, binary, eventually};

use crate::captures::whole_connection;

/// Both ends of a terminal.
fn terminal() -> (File, File) {
    let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&own).and_then(|()| unlockpt(&own)).expect("it may be used");
    let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&own, size).expect("it has a size");
    let path = ptsname(&own, Vec::new()).expect("it has a name").into_string().expect("UTF-8");
    let other = OpenOptions::new().read(true).write(true).open(path).expect("its other end");
    (own.into(), other)
}

/// What is shown on a terminal, as it comes.
fn screen(mut own: File) -> Receiver<String> {
    let (tell, shown) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            match own.read(&mut bytes) {
                Ok(count) if count > 0 => {
                    // The test may have seen enough.
                    let _ = tell.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
                }
                // Its other end is closed.
                Ok(_) => return,
                Err(error) => {
                    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO), "{error}");
                    return;
                }
            }
        }
    });
    shown
}

/// A read that goes on for as long as it is fed; stderr is a terminal.
struct Long {
    child: std::process::Child,
    input: PipeWriter,
    frames: Vec<u8>,
    screen: Receiver<String>,
    shown: String,
}

impl Long {
    fn new(arguments: &[&str]) -> Self {
        let (own, other) = terminal();
        let (read, mut input) = pipe().expect("a pipe");
        let mut command = Command::new(binary());
        command.args(["-r", "-", "--json"]).args(arguments).env("TERM", "xterm");
        let child = command.stdin(read).stdout(Stdio::null()).stderr(other).spawn().expect("it starts");
        let file = whole_connection();
        let (head, frames) = file.split_at(24);
        input.write_all(head).expect("it is read");
        Self { child, input, frames: frames.repeat(200), screen: screen(own), shown: String::new() }
    }

    fn feed(&mut self) {
        self.input.write_all(&self.frames).expect("it is read");
        self.shown.extend(self.screen.try_iter());
    }

    fn end(mut self) -> String {
        drop(self.input);
        assert!(self.child.wait().expect("it ends").success());
        self.shown.extend(self.screen.iter());
        self.shown
    }
}

#[test]
fn after_a_second_there_is_a_line_and_in_the_end_it_is_gone() {
    let mut long = Long::new(&[]);
    eventually("a line", LIMIT, || {
        long.feed();
        long.shown.contains("tcptrace: reading stdin: ")
    });
    let shown = long.end();
    // Back to the first column, and nothing to the right of it; behind that only what a run has to say.
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
        other.shown.contains("tcptrace: reading stdin: ")
    });
    other.end();
    assert_eq!(quiet.end(), "");
}
