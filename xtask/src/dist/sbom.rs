//! The list of all packages that the program is built from (CycloneDX), and the checksums of the files made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::version::VERSION;
use crate::{process, project::Project, static_target::StaticTarget};

/// Lists the packages for a target, with their versions, licences and checksums. The tool writes beside the manifest, so it
/// reads `sources`, a copy of the checkout from which nothing else is made afterwards.
pub(crate) fn make(project: &Project, target: &StaticTarget, sources: &Path, folder: &Path) -> Result<PathBuf> {
    let tool = project.tool("cargo-cyclonedx")?;
    let name = format!("tcptrace-{VERSION}-linux-{}.cdx", target.arch());
    let mut command = project.command(&tool);
    command.args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5"]);
    command.args(["--target", target.triple(), "--override-filename", &name]);
    process::run(command.arg("--manifest-path").arg(sources.join("tcptrace/Cargo.toml")).current_dir(sources))?;
    let written = sources.join("tcptrace").join(format!("{name}.json"));
    let text = fs::read_to_string(&written).with_context(|| format!("cannot read {}", written.display()))?;
    check(&text)?;
    // Packages of this workspace are named by their paths on this machine.
    let text = text.replace(&sources.display().to_string(), "");
    let file = folder.join(format!("{name}.json"));
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Checks that it is about this version of the program, and contains the packages of this workspace.
fn check(text: &str) -> Result<()> {
    let list: Value = serde_json::from_str(text).context("the list of packages is no JSON")?;
    let about = &list["metadata"]["component"];
    ensure!(about["name"] == "tcptrace" && about["version"] == VERSION, "the list of packages is about {about}");
    let components = list["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    for package in ["tcptrace-core", "aya", "tokio"] {
        ensure!(components.iter().any(|one| one["name"] == package), "the list of packages has no {package}");
    }
    Ok(())
}

/// Writes the checksums of the files in a folder, in the format of sha256sum.
pub(crate) fn sums(target: &StaticTarget, files: &[&Path], folder: &Path) -> Result<PathBuf> {
    let names = files.iter().filter_map(|file| file.file_name());
    let sums = process::output(Command::new("sha256sum").args(names).current_dir(folder))?;
    let file = folder.join(format!("SHA256SUMS.{}", target.arch()));
    fs::write(&file, sums).with_context(|| format!("cannot write {}", file.display()))?;
    process::run(Command::new("sha256sum").args(["--check", "--quiet", "--strict"]).arg(&file).current_dir(folder))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_the_programs_packages_is_refused() {
        let list = |packages: &[&str]| {
            let components: Vec<_> = packages.iter().map(|name| serde_json::json!({ "name": name })).collect();
            let about = serde_json::json!({ "component": { "name": "tcptrace", "version": VERSION } });
            serde_json::json!({ "metadata": about, "components": components }).to_string()
        };
        assert!(check(&list(&["aya", "tcptrace-core", "tokio"])).is_ok());
        let error = check(&list(&["aya", "tokio"])).map_err(|error| error.to_string());
        assert_eq!(error, Err("the list of packages has no tcptrace-core".to_owned()));
        assert!(check("{}").is_err());
    }
}
