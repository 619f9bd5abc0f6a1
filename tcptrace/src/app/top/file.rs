//! Writing of the listed verdicts to new files, on a thread that may do nothing else.

use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsFd as _, OwnedFd},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};

use crate::privileges::{Duty, as_caller, reduce};

/// Highest number in the name of a file.
const MOST: u32 = 9999;

/// The thread that writes files in the folder that was the current one when it started.
#[derive(Debug)]
pub(super) struct Files {
    contents: Sender<Vec<u8>>,
    written: Receiver<Result<String>>,
}

impl Files {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the current folder cannot be opened, or the thread cannot be started.
    pub(super) fn start() -> Result<Self> {
        let open = || openat(CWD, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let folder = as_caller(open)?.context("the current folder cannot be opened; change to another")?;
        let (contents, to_write) = mpsc::channel::<Vec<u8>>();
        let (tell, written) = mpsc::channel();
        let run = move || {
            reduce(Duty::File { folder: folder.as_fd(), rotates: false });
            for contents in to_write {
                if tell.send(write(&folder, &contents)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("write-file".to_owned()).spawn(run).context("cannot start a thread for writing")?;
        Ok(Self { contents, written })
    }

    /// Writes these bytes to a new file, and returns its name.
    ///
    /// # Errors
    /// When it cannot be created or written.
    pub(super) fn write(&self, contents: Vec<u8>) -> Result<String> {
        self.contents.send(contents).context("the thread for writing has ended")?;
        self.written.recv().context("the thread for writing has ended")?
    }
}

/// Writes these bytes to the first file `tcptrace-top-N.jsonl` that does not exist, and returns its name.
fn write(folder: &OwnedFd, contents: &[u8]) -> Result<String> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for number in 1..=MOST {
        let name = format!("tcptrace-top-{number}.jsonl");
        match openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => {
                File::from(file).write_all(contents).with_context(|| format!("{name} is not complete"))?;
                return Ok(name);
            }
            Err(Errno::EXIST) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("{name} cannot be created in the folder where top was started"));
            }
        }
    }
    bail!("tcptrace-top-1.jsonl to tcptrace-top-{MOST}.jsonl all exist: remove some")
}

#[cfg(test)]
mod tests {
    use std::{env, fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn nothing_is_overwritten_and_nobody_else_may_read() {
        let path = env::temp_dir().join(format!("tcptrace-top-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        fs::write(path.join("tcptrace-top-1.jsonl"), "precious").expect("a file");
        let folder = OwnedFd::from(File::open(&path).expect("a folder"));
        let names = [write(&folder, b"a").expect("a file"), write(&folder, b"b").expect("a file")];
        let read = |number| fs::read_to_string(path.join(format!("tcptrace-top-{number}.jsonl"))).expect("a file");
        let mode = fs::metadata(path.join("tcptrace-top-2.jsonl")).expect("a file").permissions().mode();
        let contents = [read(1), read(2), read(3)];
        fs::remove_dir_all(&path).expect("it is there");
        assert_eq!(names, ["tcptrace-top-2.jsonl", "tcptrace-top-3.jsonl"]);
        assert_eq!((contents, mode & 0o777), (["precious", "a", "b"].map(str::to_owned), 0o600));
    }
}
