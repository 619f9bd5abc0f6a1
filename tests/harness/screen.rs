//! A terminal, and the text shown on it.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    sync::mpsc::{Receiver, channel},
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// A terminal of 100 columns, and its contents.
pub struct Screen {
    shown: String,
    more: Receiver<String>,
}

impl Screen {
    /// Returns the screen, and the end that a program writes to.
    #[track_caller]
    pub fn new() -> (Self, File) {
        let (own, other) = terminal();
        (Self { shown: String::new(), more: read(own) }, other)
    }

    /// Returns true if this text has been shown so far.
    pub fn shows(&mut self, text: &str) -> bool {
        self.shown.extend(self.more.try_iter());
        self.shown.contains(text)
    }

    /// Returns all text shown until every program has closed its end.
    pub fn finish(mut self) -> String {
        self.shown.extend(self.more.iter());
        self.shown
    }
}

/// Returns both ends of a terminal.
pub(crate) fn terminal() -> (File, File) {
    let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&own).and_then(|()| unlockpt(&own)).expect("it may be used");
    let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&own, size).expect("it has a size");
    let path = ptsname(&own, Vec::new()).expect("it has a name").into_string().expect("UTF-8");
    let other = OpenOptions::new().read(true).write(true).open(path).expect("its other end");
    (own.into(), other)
}

/// Returns both ends of a terminal whose buffer is full because its reader has taken nothing.
#[track_caller]
pub fn full_terminal() -> (File, File) {
    let (own, mut other) = terminal();
    let flags = fcntl_getfl(&other).expect("it has flags");
    fcntl_setfl(&other, flags | OFlags::NONBLOCK).expect("they can be set");
    while other.write(&[b' '; 4096]).is_ok() {}
    fcntl_setfl(&other, flags).expect("they can be set");
    (own, other)
}

/// Sends the text shown on a terminal, as it appears.
pub(crate) fn read(mut own: File) -> Receiver<String> {
    let (tell, shown) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            match own.read(&mut bytes) {
                Ok(count) if count > 0 => {
                    // The test may need no more.
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
