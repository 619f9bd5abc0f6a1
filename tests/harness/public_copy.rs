//! The program under test for other users than root.

use std::{
    fs::{Permissions, set_permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{process::output, tracer::binary};

/// A copy of the program where everybody may go, which the target folder need not be. It goes when this is dropped.
pub struct PublicCopy {
    path: PathBuf,
    _folder: TempDir,
}

impl PublicCopy {
    /// Makes it.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("an own folder can be opened");
        let path = folder.path().join("tcptrace");
        // By another process: what this one had open for writing, a process that another test starts just then would have
        // open too for a moment, and the copy could not be executed.
        output(Command::new("cp").arg(binary()).arg(&path));
        Self { path, _folder: folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Default for PublicCopy {
    fn default() -> Self {
        Self::new()
    }
}
