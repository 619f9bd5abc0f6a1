//! The file system of the virtual machines: the tracer, the end-to-end tests, and the programs that they call.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{arch::Arch, image::Image, kernels::Unpacked, modules, system};
use crate::{process, project::Project, static_target::StaticTarget};

/// The first process.
const INIT: &str = include_str!("../guest/init");

/// The documentation in Debian's packages, which is most of their files.
const DOCUMENTATION: &str = "usr/share";

/// The programs for the machines of a processor.
pub(crate) struct Guest {
    target: StaticTarget,
    tracer: PathBuf,
    tests: Built,
    /// Started by the tests by its path on this machine.
    traffic: Built,
    /// The folder with Debian's packages.
    system: PathBuf,
}

/// A program that was built for the tests.
struct Built {
    /// Its path on this machine.
    path: PathBuf,
    /// The same without debugging information, which is most of its size.
    small: PathBuf,
}

impl Guest {
    /// Builds the tracer and the tests, static, and fetches the other programs, into `folder`.
    pub(crate) fn build(project: &Project, arch: &Arch, folder: &Path) -> Result<Self> {
        let target = arch.target();
        let tracer = project.build_static(&target)?;
        let messages = project.build_static_tests(&target, &["--package", "tcptrace-tests", "--test", "e2e"])?;
        let built = |name| {
            let path = executable(&messages, name).with_context(|| format!("cargo has built no {name}"))?;
            let small = folder.join(name);
            process::run(project.objcopy().arg("--strip-debug").args([&path, &small]))?;
            Ok::<_, anyhow::Error>(Built { path, small })
        };
        let (tests, traffic) = (built("e2e")?, built("tt-traffic")?);
        Ok(Self { target, tracer, tests, traffic, system: system::fetch(arch, folder)? })
    }

    /// Returns the names of all tests.
    pub(crate) fn tests(&self) -> Result<Vec<String>> {
        let listed = process::output(self.target.run(&self.tests.small)?.args(["--list", "--format", "terse"]))?;
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Writes the file system of a machine that runs the tests with these arguments.
    pub(crate) fn write_image(&self, kernel: &Unpacked, arguments: &[String], to: &Path) -> Result<()> {
        let mut image = Image::new(BufWriter::new(File::create(to)?));
        image.file(Path::new("/init"), 0o755, INIT.as_bytes())?;
        image.file(Path::new("/guest/arguments"), 0o644, arguments.join("\n").as_bytes())?;
        // The kernel calls it by this name.
        image.link(Path::new("/sbin/modprobe"), Path::new("/bin/busybox"))?;
        image.copy(&self.tracer, Path::new("/guest/tcptrace"))?;
        image.copy(&self.tests.small, Path::new("/guest/e2e"))?;
        image.copy(&self.traffic.small, &self.traffic.path)?;
        image.tree(&self.system, Path::new("/"), &self.system.join(DOCUMENTATION))?;
        let modules = Path::new("/lib/modules").join(&kernel.release);
        for module in modules::collect(&kernel.modules)? {
            image.file(&modules.join(module.place), 0o644, &module.content)?;
        }
        Ok(image.finish()?)
    }
}

/// Returns the executable of a target in cargo's messages.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = messages.filter(|message| message.pointer("/target/name").is_some_and(|name| name == target));
    built.find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_executable_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"e2e"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}
{"reason":"compiler-artifact","target":{"name":"e2e"},"executable":"/t/e2e-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "e2e"), Some("/t/e2e-1".into()));
        assert_eq!(executable(messages, "tt-traffic"), None);
    }
}
