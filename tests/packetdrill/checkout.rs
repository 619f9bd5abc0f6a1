//! A checkout of packetdrill.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Path of the built packetdrill below the root of its checkout.
const PROGRAM: &str = "gtests/net/packetdrill/packetdrill";

/// Path of its scripts.
const SCRIPTS: &str = "gtests/net/tcp";

/// A checkout with a program that was built.
pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Finds the program and the scripts.
    pub(crate) fn open(root: &Path) -> Result<Self, String> {
        let root = root.canonicalize().map_err(|error| format!("cannot open {}: {error}", root.display()))?;
        let checkout = Self { root };
        if !checkout.program().is_file() {
            let folder = checkout.program().with_file_name("");
            return Err(format!(
                "{} is not there: run `./configure && make packetdrill` in {} (it needs bison and flex)",
                checkout.program().display(),
                folder.display()
            ));
        }
        Ok(checkout)
    }

    /// Returns the path of the program.
    pub(crate) fn program(&self) -> PathBuf {
        self.root.join(PROGRAM)
    }

    /// Returns all scripts for TCP, or those whose name contains `only`, in the order of their names.
    pub(crate) fn scripts(&self, only: Option<&str>) -> Result<Vec<PathBuf>, String> {
        let folder = self.root.join(SCRIPTS);
        let mut found = Vec::new();
        find(&folder, &mut found).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
        found.retain(|script| only.is_none_or(|only| self.name(script).contains(only)));
        found.sort();
        if found.is_empty() {
            return Err(format!("no script is there: {} was searched", folder.display()));
        }
        Ok(found)
    }

    /// Returns a script's path below the folder of all scripts.
    pub(crate) fn name(&self, script: &Path) -> String {
        script.strip_prefix(self.root.join(SCRIPTS)).unwrap_or(script).display().to_string()
    }
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
    Ok(())
}
