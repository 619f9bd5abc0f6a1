//! The file of `--write`. Root may open it in a folder that others can write to, so symbolic links are not followed.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fchmod, fstat, ftruncate, openat},
    io::Errno,
    process::geteuid,
};
use thiserror::Error;

use tcptrace_core::text::Escaped;

/// A failure to open a file for writing. Paths are escaped.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The last part of the path is a symbolic link.
    #[error("{0} is a symbolic link, which could lead the records elsewhere: give the path of the file itself")]
    Symlink(String),
    /// The folder of the path does not exist.
    #[error("{0} cannot be created, since its folder does not exist: create the folder or give another path")]
    NoFolder(String),
    /// The path names a folder.
    #[error("{0} is a folder: give the path of a file")]
    Folder(String),
    /// The file or its folder may not be written to.
    #[error("{0} may not be written to: give a path in a folder of the user that runs tcptrace")]
    Permission(String),
    /// The file belongs to somebody else.
    #[error("{0} belongs to another user, who could read or change the records: remove it or give another path")]
    Foreign(String),
    /// The file has several names.
    #[error(
        "{0} has other names too (hard links), through which the records could be overwritten or read: give another path"
    )]
    Linked(String),
    /// The path names a FIFO that is not open for reading.
    #[error("{0} is a FIFO that nobody reads: start its reader first, or give the path of a file")]
    NoReader(String),
    /// Any other error.
    #[error("{path} cannot be opened for writing; give another path")]
    Other {
        /// The path.
        path: String,
        /// The error of the system call.
        #[source]
        cause: io::Error,
    },
}

/// A file by its name in a folder that is kept open: it stays the same folder, whatever happens to the path later.
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
        // `Path::file_name` ignores a trailing slash.
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

    /// Creates the file with mode 0600, or empties it.
    pub(super) fn create(&self) -> Result<OwnedFd, OpenError> {
        // Not by O_TRUNC: a refused file keeps its content.
        let file = self.reopen()?;
        if is_plain(&file) {
            ftruncate(&file, 0).map_err(|error| open_error(error, self.shown.clone()))?;
        }
        Ok(file)
    }

    /// Opens the file again to append to it, or creates a new one if it was moved away. Nobody else can read it, unless they
    /// had it open before.
    pub(super) fn reopen(&self) -> Result<OwnedFd, OpenError> {
        let file = self.open()?;
        let failed = |error| open_error(error, self.shown.clone());
        let status = fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile {
            if status.st_uid != geteuid().as_raw() {
                return Err(OpenError::Foreign(self.shown.clone()));
            }
            if status.st_nlink > 1 {
                return Err(OpenError::Linked(self.shown.clone()));
            }
            fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        }
        Ok(file)
    }

    /// Returns the name in its folder.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Returns the folder of the file.
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Returns the path, escaped.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    fn open(&self) -> Result<OwnedFd, OpenError> {
        // APPEND: if log rotation copies and truncates the file, no hole is left. NONBLOCK: a FIFO must not block the start;
        // the writer waits if necessary. NOCTTY: a terminal must not become the controlling terminal.
        let always = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        openat(&self.folder, &self.name, always, Mode::RUSR | Mode::WUSR)
            .map_err(|error| open_error(error, self.shown.clone()))
    }
}

/// Returns true if this is a regular file, whose length can be set.
pub(super) fn is_plain(file: &OwnedFd) -> bool {
    fstat(file).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
}

pub(super) fn open_error(error: Errno, path: String) -> OpenError {
    match error {
        Errno::LOOP => OpenError::Symlink(path),
        Errno::ISDIR => OpenError::Folder(path),
        // The folder existed when it was opened, so it has been removed since.
        Errno::NOENT => OpenError::NoFolder(path),
        Errno::ACCESS | Errno::PERM => OpenError::Permission(path),
        Errno::NXIO => OpenError::NoReader(path),
        error => OpenError::Other { path, cause: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::with_causes;

    #[test]
    fn errors_say_what_to_do() {
        for (error, sentence) in [
            (
                Errno::LOOP,
                "a is a symbolic link, which could lead the records elsewhere: give the path of the file itself",
            ),
            (Errno::ISDIR, "a is a folder: give the path of a file"),
            (
                Errno::NOENT,
                "a cannot be created, since its folder does not exist: create the folder or give another path",
            ),
            (Errno::ACCESS, "a may not be written to: give a path in a folder of the user that runs tcptrace"),
            (Errno::PERM, "a may not be written to: give a path in a folder of the user that runs tcptrace"),
            (Errno::NXIO, "a is a FIFO that nobody reads: start its reader first, or give the path of a file"),
            (Errno::ROFS, "a cannot be opened for writing; give another path: Read-only file system (os error 30)"),
        ] {
            assert_eq!(with_causes(&open_error(error, "a".to_owned())), sentence);
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
