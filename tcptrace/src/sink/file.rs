//! The file of `--write`. It is opened by root in folders that others may write to, so its name must lead nowhere else.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};
use thiserror::Error;

use tcptrace_core::text::Escaped;

/// Why a file cannot be opened for writing. Paths are escaped.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The last part of the path is a symbolic link.
    #[error("{0} is a symbolic link, which could lead the records anywhere else: give the path of the file itself")]
    Symlink(String),
    /// The folder of the path does not exist.
    #[error("{0} cannot be made, since its folder does not exist: make the folder or give another path")]
    NoFolder(String),
    /// The path names a folder.
    #[error("{0} is a folder: give the path of a file")]
    Folder(String),
    /// The file or its folder may not be written to.
    #[error("{0} may not be written to: give a path in a folder of the user that runs tcptrace")]
    Permission(String),
    /// The path names a FIFO that is not open for reading.
    #[error("{0} is a FIFO that nobody reads: start its reader first, or give the path of a file")]
    NoReader(String),
    /// Anything else.
    #[error("{path} cannot be opened for writing ({cause}): give another path")]
    Other {
        /// The path.
        path: String,
        /// What the kernel says.
        cause: io::Error,
    },
}

/// A name in a folder that was opened at the start: whatever happens to the path later, it is the same folder.
#[derive(Debug)]
pub(super) struct File {
    folder: OwnedFd,
    name: OsString,
    shown: String,
}

impl File {
    /// Opens the folder of `path`.
    pub(super) fn locate(path: &Path) -> Result<Self, OpenError> {
        let shown = Escaped(path.as_os_str().as_bytes()).to_string();
        // `file_name` would take `folder/` for a file of that name.
        let name = path.file_name().filter(|_| !path.as_os_str().as_bytes().ends_with(b"/"));
        let Some(name) = name else {
            return Err(OpenError::Folder(shown));
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, folder, flags, Mode::empty()) {
            Ok(folder) => Ok(Self { folder, name: name.to_owned(), shown }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(OpenError::NoFolder(shown)),
            Err(Errno::ACCESS) => Err(OpenError::Permission(shown)),
            Err(error) => Err(OpenError::Other { path: shown, cause: error.into() }),
        }
    }

    /// Makes the file with mode 0600, or empties it.
    pub(super) fn create(&self) -> Result<OwnedFd, OpenError> {
        self.open(OFlags::TRUNC)
    }

    /// Opens the file again to continue it, or makes a new one if it was moved away.
    pub(super) fn reopen(&self) -> Result<OwnedFd, OpenError> {
        self.open(OFlags::empty())
    }

    /// Where it is opened again.
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// The path, escaped.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    fn open(&self, more: OFlags) -> Result<OwnedFd, OpenError> {
        // APPEND: a rotation that copies and empties the file leaves no hole. NONBLOCK: a FIFO must not hold up the
        // start; the writer waits where it has to. NOCTTY: nor may a terminal become ours.
        let always = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        openat(&self.folder, &self.name, always | more, Mode::RUSR | Mode::WUSR)
            .map_err(|error| open_error(error, self.shown.clone()))
    }
}

fn open_error(error: Errno, path: String) -> OpenError {
    match error {
        Errno::LOOP => OpenError::Symlink(path),
        Errno::ISDIR => OpenError::Folder(path),
        // The folder was there when it was opened, so it has been removed since.
        Errno::NOENT => OpenError::NoFolder(path),
        Errno::ACCESS | Errno::PERM => OpenError::Permission(path),
        Errno::NXIO => OpenError::NoReader(path),
        error => OpenError::Other { path, cause: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        for (error, sentence) in [
            (
                Errno::LOOP,
                "a is a symbolic link, which could lead the records anywhere else: give the path of the file itself",
            ),
            (Errno::ISDIR, "a is a folder: give the path of a file"),
            (Errno::NOENT, "a cannot be made, since its folder does not exist: make the folder or give another path"),
            (Errno::ACCESS, "a may not be written to: give a path in a folder of the user that runs tcptrace"),
            (Errno::PERM, "a may not be written to: give a path in a folder of the user that runs tcptrace"),
            (Errno::NXIO, "a is a FIFO that nobody reads: start its reader first, or give the path of a file"),
            (Errno::ROFS, "a cannot be opened for writing (Read-only file system (os error 30)): give another path"),
        ] {
            assert_eq!(open_error(error, "a".to_owned()).to_string(), sentence);
        }
    }

    #[test]
    fn paths_that_name_no_file_are_folders() {
        for path in ["/", "..", ".", "a/..", "a/"] {
            assert!(matches!(File::locate(Path::new(path)), Err(OpenError::Folder(shown)) if shown == path), "{path}");
        }
    }

    #[test]
    fn paths_are_escaped() {
        let error = File::locate(Path::new("no\x1b[31m/")).unwrap_err();
        assert_eq!(error.to_string(), r"no\x1b[31m/ is a folder: give the path of a file");
    }
}
