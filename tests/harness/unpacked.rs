//! Programs of the distribution that `cargo xtask test` unpacks but does not install.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::target_folder;

/// Their folder, below cargo's target folder.
const FOLDER: &str = "servers";

/// An unpacked program.
#[derive(Debug)]
pub struct Unpacked {
    /// Its file.
    pub path: PathBuf,
    /// Value of `LD_LIBRARY_PATH` with which it finds the libraries unpacked beside it.
    pub libraries: OsString,
}

impl Unpacked {
    /// Finds the program at this path below the root of its package.
    #[track_caller]
    pub fn find(program: &str) -> Self {
        let libraries = libraries(&target_folder().join(FOLDER));
        Self { path: unpacked(program), libraries: std::env::join_paths(libraries).expect("no colon in them") }
    }
}

/// Returns the path of a file or folder, given by its path below the root of its package.
#[track_caller]
pub fn unpacked(path: &str) -> PathBuf {
    let found = target_folder().join(FOLDER).join(path);
    assert!(found.exists(), "{} is not there: run `cargo xtask test`", found.display());
    found
}

/// Returns the folders with libraries: that of the architecture, and those beside and below it.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let top = folder.join("usr/lib");
    let beside = below(&top);
    let below: Vec<_> = beside.iter().flat_map(|folder| below(folder)).collect();
    [vec![top], beside, below].concat()
}

/// Returns the folders in a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}
