//! Rotation of the file of `--write`: it is renamed to a numbered name, and a new one is begun.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    num::NonZeroU32,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    time::Duration,
};

use log::warn;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, openat, renameat_with, statat, unlinkat},
    io::Errno,
};

use super::file::{File, OpenError, open_error};

/// Digits of the numbers, so that names sort by age.
const DIGITS: usize = 6;

/// Condition for beginning a new file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RotateAt {
    /// It has at least this many bytes.
    Size(u64),
    /// It has been written to for this long.
    Age(Duration),
}

/// Condition for beginning a new file, and the number of files kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// Condition for beginning a new file.
    pub at: RotateAt,
    /// Number of numbered files that are kept; `None` for all of them.
    pub keep: Option<NonZeroU32>,
}

/// The numbered files: for `trace.ttr`, these are `trace.000001.ttr` and so on.
#[derive(Debug)]
pub(super) struct Numbered {
    before: Vec<u8>,
    after: Vec<u8>,
    keep: Option<NonZeroU32>,
    numbers: BTreeSet<u64>,
}

impl Numbered {
    /// Finds the existing ones.
    pub(super) fn find(file: &File, keep: Option<NonZeroU32>) -> Result<Self, OpenError> {
        let name = file.name().as_bytes();
        let (before, after) = match name.iter().rposition(|&byte| byte == b'.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name, &[][..]),
        };
        let mut numbered = Self { before: before.to_vec(), after: after.to_vec(), keep, numbers: BTreeSet::new() };
        let failed = |error| open_error(error, file.shown().to_owned());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(file.folder(), ".", flags, Mode::empty()).map_err(failed)?;
        for entry in Dir::read_from(folder).map_err(failed)? {
            numbered.numbers.extend(numbered.number(entry.map_err(failed)?.file_name().to_bytes()));
        }
        Ok(numbered)
    }

    /// Renames the file to the next number, if it exists and is not empty, and removes the oldest beyond `keep`.
    pub(super) fn put_away(&mut self, file: &File) -> Result<(), OpenError> {
        let folder = file.folder();
        match statat(folder, file.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) if status.st_size > 0 && FileType::from_raw_mode(status.st_mode) == FileType::RegularFile => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(open_error(error, file.shown().to_owned())),
        }
        let mut number = self.numbers.last().map_or(1, |last| last + 1);
        while let Err(error) = renameat_with(folder, file.name(), folder, self.name(number), RenameFlags::NOREPLACE) {
            if error != Errno::EXIST {
                return Err(open_error(error, file.shown().to_owned()));
            }
            number += 1;
        }
        self.numbers.insert(number);
        while self.keep.is_some_and(|keep| self.numbers.len() > keep.get() as usize)
            && let Some(oldest) = self.numbers.pop_first()
        {
            match unlinkat(folder, self.name(oldest), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => warn!("an old file of {} cannot be removed: {error}", file.shown()),
            }
        }
        Ok(())
    }

    fn name(&self, number: u64) -> OsString {
        let number = format!(".{number:0DIGITS$}");
        OsString::from_vec([&self.before[..], number.as_bytes(), &self.after].concat())
    }

    /// Returns the number in a name; `None` if it is not one of these files.
    fn number(&self, name: &[u8]) -> Option<u64> {
        let number = name.strip_prefix(&self.before[..])?.strip_prefix(b".")?.strip_suffix(&self.after[..])?;
        let digits = number.len() >= DIGITS && number.iter().all(u8::is_ascii_digit);
        digits.then(|| str::from_utf8(number).ok()?.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    #[test]
    fn the_newest_are_kept_and_numbers_go_on() {
        let folder: PathBuf = std::env::temp_dir().join(format!("tcptrace-rotation-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = File::locate(&folder.join("a.b.ttr")).unwrap();
        for strange in ["a.b.1.ttr", "a.b.0000x1.ttr", "a.000009.ttr", "a.b.000009.ttr.gz"] {
            fs::write(folder.join(strange), "").unwrap();
        }
        for content in 1..=3 {
            let mut numbered = Numbered::find(&file, NonZeroU32::new(2)).unwrap();
            // A missing or empty file gets no number.
            numbered.put_away(&file).unwrap();
            fs::write(folder.join("a.b.ttr"), "").unwrap();
            numbered.put_away(&file).unwrap();
            fs::write(folder.join("a.b.ttr"), content.to_string()).unwrap();
            numbered.put_away(&file).unwrap();
        }
        let content = |number| fs::read_to_string(folder.join(format!("a.b.{number:06}.ttr"))).ok();
        assert_eq!([1, 2, 3, 4].map(content), [None, Some("2".to_owned()), Some("3".to_owned()), None]);
        assert!(fs::exists(folder.join("a.b.0000x1.ttr")).unwrap());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_name_without_an_ending_gets_its_number_behind_it() {
        let numbered = |name: &str| Numbered::find(&File::locate(std::path::Path::new(name)).unwrap(), None).unwrap();
        assert_eq!(numbered("/tmp/trace").name(7), "trace.000007");
        assert_eq!(numbered("/tmp/.trace").name(7), ".trace.000007");
        assert_eq!(numbered("/tmp/x.jsonl").name(1_234_567), "x.1234567.jsonl");
    }
}
