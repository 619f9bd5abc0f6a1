//! A program on a terminal of its own, and its screen.

use std::{
    fs::File,
    io::Write as _,
    num::NonZeroU16,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::mpsc::Receiver,
};

use rustix::{
    process::{ioctl_tiocsctty, setsid},
    stdio::stdin,
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};
use vt100::Parser;

use crate::{
    process::{Process, eventually},
    screen::{read, terminal},
    tracer::LIMIT,
};

/// A program on a terminal.
pub struct Console {
    /// The program.
    pub process: Process,
    keyboard: File,
    other: File,
    shown: Receiver<String>,
    parser: Parser,
    before: Termios,
}

impl Console {
    /// Starts a program on a terminal of this many columns and lines.
    #[track_caller]
    pub fn start(command: &mut Command, columns: u16, lines: u16) -> Self {
        let (own, other) = terminal();
        resize(&own, columns, lines);
        let before = tcgetattr(&other).expect("it is a terminal");
        let end = || Stdio::from(other.try_clone().expect("a descriptor"));
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        let lead = || {
            setsid()?;
            Ok(ioctl_tiocsctty(stdin())?)
        };
        // SAFETY: both are mere system calls, which are allowed between fork and exec.
        unsafe { command.pre_exec(lead) };
        let process = Process::spawn(command);
        let keyboard = own.try_clone().expect("a descriptor");
        Self {
            process,
            keyboard,
            other,
            shown: read(own),
            parser: Parser::new(nonzero(lines), nonzero(columns), 0),
            before,
        }
    }

    /// Types these keys.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("there is room for some keys");
    }

    /// Makes the terminal larger or smaller.
    #[track_caller]
    pub fn resize(&mut self, columns: u16, lines: u16) {
        self.parser.screen_mut().set_size(nonzero(lines), nonzero(columns));
        resize(&self.keyboard, columns, lines);
    }

    /// Returns the current screen.
    pub fn contents(&mut self) -> String {
        self.shown.try_iter().for_each(|text| self.parser.process(text.as_bytes()));
        self.parser.screen().contents()
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let deadline = std::time::Instant::now() + LIMIT;
        while !wanted(&last) {
            assert!(std::time::Instant::now() < deadline, "not within {LIMIT:?}: {what}; the screen is:\n{last}");
            last = self.contents();
            std::thread::yield_now();
        }
        last
    }

    /// Returns true if anything on the screen has a colour.
    pub fn has_color(&mut self) -> bool {
        self.contents();
        let screen = self.parser.screen();
        let (lines, columns) = screen.size();
        (0..lines.get()).flat_map(|line| (0..columns.get()).map(move |column| (line, column))).any(|(line, column)| {
            let cell = screen.cell(line, column);
            cell.is_some_and(|cell| (cell.fgcolor(), cell.bgcolor()) != (vt100::Color::Default, vt100::Color::Default))
        })
    }

    /// Waits for the end of the program, and asserts that the terminal is as it was before. Returns the exit status.
    #[track_caller]
    pub fn finish(mut self) -> Option<i32> {
        let status = self.process.wait(LIMIT).code();
        self.assert_given_back();
        status
    }

    /// Asserts that the terminal is as it was before the program took it over, or soon will be.
    #[track_caller]
    pub fn assert_given_back(&mut self) {
        eventually("the terminal shows its first screen and the cursor", LIMIT, || {
            self.contents();
            let screen = self.parser.screen();
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let now = tcgetattr(&self.other).expect("it is a terminal");
        let modes = |modes: &Termios| (modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes);
        assert_eq!(modes(&now), modes(&self.before), "the terminal is not as it was");
    }
}

fn resize(terminal: &File, columns: u16, lines: u16) {
    let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("it has a size");
}

fn nonzero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a terminal has lines and columns")
}
