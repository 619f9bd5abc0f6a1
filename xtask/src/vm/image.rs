//! The first file system of a virtual machine: a cpio archive ("newc"), which the kernel unpacks into memory.
//!
//! The format is in Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_777;
const TRAILER: &str = "TRAILER!!!";

/// An archive being written. Files that were written before are skipped.
pub(crate) struct Image<W> {
    to: W,
    written: BTreeSet<PathBuf>,
}

impl<W: Write> Image<W> {
    /// Begins an archive.
    pub(crate) fn new(to: W) -> Self {
        Self { to, written: BTreeSet::from([PathBuf::from("/")]) }
    }

    /// Adds a folder, with its parents.
    pub(crate) fn folder(&mut self, path: &Path) -> io::Result<()> {
        if self.written.contains(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        self.entry(path, FOLDER, &[])
    }

    /// Adds the content of a folder of this machine, except the one at `without`. What is there already stays.
    pub(crate) fn tree(&mut self, folder: &Path, path: &Path, without: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (from, kind) = (entry.path(), entry.file_type()?);
            let path = path.join(entry.file_name());
            if kind.is_symlink() {
                self.link(&path, &fs::read_link(&from)?)?;
            } else if kind.is_dir() && from != without {
                self.tree(&from, &path, without)?;
            } else if kind.is_file() {
                self.copy(&from, &path)?;
            }
        }
        Ok(())
    }

    /// Adds a file of this machine.
    pub(crate) fn copy(&mut self, from: &Path, path: &Path) -> io::Result<()> {
        let permissions = fs::metadata(from)?.permissions().mode() & 0o777;
        self.file(path, permissions, &fs::read(from)?)
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &Path, permissions: u32, content: &[u8]) -> io::Result<()> {
        self.within(path, FILE | permissions, content)
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        self.within(path, LINK, target.as_os_str().as_encoded_bytes())
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.entry(Path::new(TRAILER), 0, &[])?;
        self.to.flush()
    }

    fn within(&mut self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        if self.written.contains(path) {
            return Ok(());
        }
        self.entry(path, mode, content)
    }

    fn entry(&mut self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        let name = path.strip_prefix("/").unwrap_or(path).as_os_str().as_encoded_bytes();
        let size = u32::try_from(content.len()).map_err(|_| io::Error::other("a file of 4 GiB or more"))?;
        // Inode number, mode, owner, group, links, time, size, four numbers of devices, length of the name, no checksum.
        let number = self.written.len() as u32;
        let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        let mut header = b"070701".to_vec();
        for field in fields {
            header.extend(format!("{field:08x}").into_bytes());
        }
        header.extend(name);
        header.push(0);
        self.padded(&header)?;
        self.padded(content)?;
        self.written.insert(path.to_owned());
        Ok(())
    }

    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.to.write_all(&[0; 3][..bytes.len().next_multiple_of(4) - bytes.len()])
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, Result};

    use super::*;

    #[test]
    fn entries_are_aligned_and_written_once() -> Result<()> {
        let mut archive = Vec::new();
        let mut image = Image::new(&mut archive);
        for _ in 0..2 {
            image.file(Path::new("/a/b"), 0o755, b"text\n")?;
        }
        image.finish()?;
        let text = String::from_utf8(archive)?;
        assert_eq!(text.len() % 4, 0);
        let entries: Vec<_> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert!(entries.iter().all(|at| at % 4 == 0), "{entries:?}");
        let names: Vec<_> = entries.iter().map(|at| text[at + 110..].split('\0').next().unwrap_or_default()).collect();
        assert_eq!(names, ["a", "a/b", TRAILER]);
        assert!(text.contains("text\n\0\0\0"));
        Ok(())
    }

    #[test]
    fn a_folder_is_added_with_its_links_and_without_a_part() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-image-{}", std::process::id()));
        for part in ["lib", "unused"] {
            fs::create_dir_all(folder.join(part))?;
            fs::write(folder.join(part).join(format!("{part}.so.1")), "from the folder")?;
        }
        std::os::unix::fs::symlink("lib.so.1", folder.join("lib/lib.so"))?;
        let mut archive = Vec::new();
        let mut image = Image::new(&mut archive);
        image.file(Path::new("/lib/lib.so.1"), 0o755, b"from before")?;
        image.tree(&folder, Path::new("/"), &folder.join("unused"))?;
        image.finish()?;
        fs::remove_dir_all(&folder)?;
        let text = String::from_utf8(archive)?;
        assert!(text.contains("lib/lib.so\0") && text.contains("from before"), "{text}");
        assert!(!text.contains("unused") && !text.contains("from the folder"), "{text}");
        // The mode of a symbolic link, and its target.
        let (_, link) = text.split_once("0000a1ff").context("a link")?;
        assert!(link.contains("lib.so.1"), "{text}");
        Ok(())
    }
}
