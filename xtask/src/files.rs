//! Replacement of whole files, so that concurrent readers never see a partial one.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process,
};

/// Replaces `path` by the file that `write` makes under another name.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let new = beside(path);
    let replaced = write(&new).and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // The file may not exist; the error above is the relevant one.
        let _ = fs::remove_file(&new);
    }
    replaced
}

/// Returns an unused name in the same folder, and thus on the same file system.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", process::id()));
    path.with_file_name(name)
}
