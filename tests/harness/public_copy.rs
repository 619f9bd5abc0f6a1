//! The program under test, accessible to users other than root.

use std::{
    fs::{Permissions, set_permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{process::output, tracer::binary};

/// A copy of the program where everybody may access it, as the target folder may not be. Removed on drop.
pub struct PublicCopy {
    path: PathBuf,
    _folder: TempDir,
}

impl PublicCopy {
    /// Creates the copy.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("an own folder can be opened");
        let path = folder.path().join("tcptrace");
        // By another process: a process that another test starts just then would also have this process's descriptors open
        // for a moment, and a file open for writing cannot be executed.
        output(Command::new("cp").arg(binary()).arg(&path));
        Self { path, _folder: folder }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Default for PublicCopy {
    fn default() -> Self {
        Self::new()
    }
}
