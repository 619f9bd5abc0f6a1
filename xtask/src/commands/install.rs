//! `cargo xtask install`: installs the release binary where the shell finds it.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    files, process,
    project::{Profile, Project},
    root,
};

/// Build tcptrace and install it as PREFIX/bin/tcptrace (through sudo where needed)
#[derive(Args)]
pub(crate) struct Install {
    /// The folder whose `bin` receives the binary
    #[arg(long, default_value = "/usr/local")]
    prefix: PathBuf,
}

impl Install {
    /// Builds and installs it.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        let built = project.binary(Profile::Release);
        let installed = self.prefix.join("bin").join("tcptrace");
        match place(&built, &installed) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !root::is_root()? => {
                place_as_root(&built, &installed)
            }
            placed => placed.map_err(Into::into),
        }
        .with_context(|| format!("cannot install {}", installed.display()))?;
        eprintln!("xtask: installed {}", installed.display());
        Ok(())
    }
}

/// Replaces the installed binary atomically, even while a tracer runs from it.
fn place(built: &Path, installed: &Path) -> io::Result<()> {
    if let Some(folder) = installed.parent() {
        fs::create_dir_all(folder)?;
    }
    files::replace(installed, |new| {
        fs::copy(built, new)?;
        fs::set_permissions(new, Permissions::from_mode(0o755))
    })
}

/// Replaces the installed binary with coreutils, which sudo can run.
fn place_as_root(built: &Path, installed: &Path) -> Result<()> {
    let new = files::beside(installed);
    process::run(root::command("install")?.args(["-D", "-m", "0755"]).args([built, &new]))?;
    process::run(root::command("mv")?.args(["-f", "-T"]).args([&new, installed]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_over_what_is_there() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-install-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let built = folder.join("built");
        let installed = folder.join("prefix/bin/tcptrace");
        for content in ["first", "second"] {
            fs::write(&built, content)?;
            place(&built, &installed)?;
            assert_eq!(fs::read_to_string(&installed)?, content);
            assert_eq!(fs::metadata(&installed)?.permissions().mode() & 0o777, 0o755);
        }
        assert_eq!(fs::read_dir(folder.join("prefix/bin"))?.count(), 1, "nothing is left beside it");
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
