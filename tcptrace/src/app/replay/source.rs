//! The file to read.

use std::{
    fs::{File, Metadata},
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use tcptrace_core::text::Escaped;

/// The file to read.
#[derive(Debug)]
pub(super) struct Source {
    /// The path, escaped, or `stdin`.
    pub(super) name: String,
    pub(super) file: File,
    /// Size in bytes, if it is a regular file.
    pub(super) size: Option<u64>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (name, file) = if path.as_os_str() == "-" {
            ("stdin".to_owned(), io::stdin().as_fd().try_clone_to_owned().map(File::from))
        } else {
            (Escaped(path.as_os_str().as_encoded_bytes()).to_string(), File::open(path))
        };
        let file = file.with_context(|| format!("{name} cannot be opened"))?;
        let size = file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
        Ok(Self { name, file, size })
    }

    /// Checks that this is not the file of `--write`, which is emptied before anything is read.
    pub(super) fn check_is_not(&self, written: Option<&Path>) -> Result<()> {
        let Some(written) = written.and_then(|path| path.metadata().ok()).filter(Metadata::is_file) else {
            return Ok(());
        };
        let same = |read: Metadata| (read.dev(), read.ino()) == (written.dev(), written.ino());
        if self.file.metadata().is_ok_and(same) {
            bail!("{} cannot be read and written at once: give --write another file", self.name);
        }
        Ok(())
    }
}
