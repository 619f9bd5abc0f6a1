//! A system of this machine's distribution with nothing in it but what is essential and apt, for the tests of the package.
//! mmdebstrap makes it from the distribution's packages; it is an archive under `target`.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::apt::{self, Tool};
use crate::{process, root};

/// Name of the archive under `target`.
const ARCHIVE: &str = "clean-system.tar";

/// File in which the distribution tells what it is: os-release(5).
const RELEASE: &str = "/etc/os-release";

/// Puts what the package depends on into apt's cache, in the system whose folder is `$1`, because the tests have no network:
/// with recommended packages, which apt also installs for its users, but not for mmdebstrap. apt makes `*.bin` again.
const DOWNLOAD: &str = r#"cp "$PACKAGE" "$1/package.deb" &&
    chroot "$1" apt-get --yes --download-only --install-recommends install /package.deb &&
    rm "$1/package.deb" "$1"/var/cache/apt/*.bin"#;

/// Makes the system, unless there is one with what the package depends on, and returns its archive.
pub(crate) fn ensure(target: &Path, package: &Path) -> Result<PathBuf> {
    let release = fs::read_to_string(RELEASE).with_context(|| format!("cannot read {RELEASE}"))?;
    let suite = suite(&release).with_context(|| {
        format!(
            "{RELEASE} names no release of Debian or Ubuntu (VERSION_CODENAME), so the package cannot be tested here"
        )
    })?;
    let depends = process::output(Command::new("dpkg-deb").arg("--field").arg(package).arg("Depends"))?;
    let wanted = format!("{suite}: {depends}");
    let [archive, stamp, part] = ["", ".stamp", ".part"].map(|suffix| target.join(format!("{ARCHIVE}{suffix}")));
    if archive.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(archive);
    }
    apt::ensure(&[Tool { program: "mmdebstrap", package: "mmdebstrap" }])?;
    eprintln!("xtask: making a clean {suite} from its packages (200 MB in {})", archive.display());
    // It writes to this file as to any standard output, so that the file belongs to this user.
    let written = File::create(&part).with_context(|| format!("cannot make {}", part.display()))?;
    process::run(make(suite, package)?.stdout(written))
        .with_context(|| format!("cannot make a clean {suite} from the distribution's server"))?;
    fs::rename(&part, &archive).with_context(|| format!("cannot rename {}", part.display()))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(archive)
}

/// Returns the command that writes the archive.
fn make(suite: &str, package: &Path) -> Result<Command> {
    let mut variable = OsString::from("PACKAGE=");
    variable.push(package);
    // By env(1), because sudo does not pass on this process's environment.
    let mut command = root::command("env")?;
    command
        .arg(variable)
        .args(["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--format=tar"])
        // With the lists of packages, which a system has that installs from a network.
        .args(["--skip=cleanup/apt/lists,cleanup/apt/cache", "--aptopt=Acquire::GzipIndexes \"true\""])
        .args(["--aptopt=Acquire::Languages \"none\"", "--aptopt=Acquire::Retries \"3\""])
        // The mirror may be a snapshot, and nothing in this system is kept up to date.
        .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
        .arg(format!("--customize-hook={DOWNLOAD}"))
        .args([suite, "-"]);
    Ok(command)
}

/// Returns the name under which the distribution's server has this release.
fn suite(release: &str) -> Option<&str> {
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"')).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_is_the_releases_code_name() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(suite(debian), Some("bookworm"));
        assert_eq!(suite("VERSION_CODENAME=\"noble\"\n"), Some("noble"));
        assert_eq!(suite("ID=arch\n"), None);
        assert_eq!(suite("VERSION_CODENAME=\n"), None);
    }
}
