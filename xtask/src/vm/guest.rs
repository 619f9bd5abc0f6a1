//! The file system of the virtual machines: the tracer, the end-to-end tests, and the programs that they call.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{image::Image, kernels::Unpacked, modules};
use crate::{process, project::Project, static_target::StaticTarget};

/// The first process.
const INIT: &str = include_str!("../guest/init");

/// Programs that the tests call and busybox lacks.
const PROGRAMS: [&str; 10] = ["bash", "bpftool", "ethtool", "ip", "nft", "setcap", "setpriv", "ss", "tc", "unshare"];

/// The built programs.
pub(crate) struct Guest {
    tracer: PathBuf,
    tests: PathBuf,
    /// Started by the tests by its path on this machine.
    traffic: PathBuf,
    /// The tests without debugging information, which is most of their size.
    small_tests: PathBuf,
}

impl Guest {
    /// Builds the tracer, static, and the tests, for which this machine's libraries are included.
    pub(crate) fn build(project: &Project, folder: &Path) -> Result<Self> {
        let tracer = project.build_static(&StaticTarget::host())?;
        let mut cargo = project.cargo("test");
        cargo.args(["--package", "tcptrace-tests", "--test", "e2e", "--no-run", "--locked"]);
        let messages = process::output(cargo.args(["--message-format", "json-render-diagnostics"]))?;
        let program = |name| executable(&messages, name).with_context(|| format!("cargo has built no {name}"));
        let tests = program("e2e")?;
        let small_tests = folder.join("e2e");
        process::run(Command::new("strip").arg("-o").args([&small_tests, &tests]))?;
        Ok(Self { tracer, traffic: program("tt-traffic")?, tests, small_tests })
    }

    /// Returns the names of all tests.
    pub(crate) fn tests(&self) -> Result<Vec<String>> {
        let listed = process::output(Command::new(&self.tests).args(["--list", "--format", "terse"]))?;
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Writes the file system of a machine that runs the tests with these arguments.
    pub(crate) fn write_image(&self, kernel: &Unpacked, arguments: &[String], to: &Path) -> Result<()> {
        let mut image = Image::new(BufWriter::new(File::create(to)?));
        image.file(Path::new("/init"), 0o755, INIT.as_bytes())?;
        image.file(Path::new("/guest/arguments"), 0o644, arguments.join("\n").as_bytes())?;
        image.copy(&installed("busybox")?, Path::new("/bin/busybox"))?;
        // The kernel calls it by this name.
        image.link(Path::new("/sbin/modprobe"), "/bin/busybox")?;
        image.copy(&self.tracer, Path::new("/guest/tcptrace"))?;
        image.copy(&self.small_tests, Path::new("/guest/e2e"))?;
        image.same(&self.traffic)?;
        let programs = PROGRAMS.iter().map(|name| installed(name)).collect::<Result<Vec<_>>>()?;
        for program in programs.iter().chain([&self.small_tests, &self.traffic]) {
            for library in libraries(program)? {
                image.same(&library)?;
            }
        }
        for program in &programs {
            image.same(program)?;
        }
        let modules = Path::new("/lib/modules").join(&kernel.release);
        for module in modules::collect(&kernel.modules)? {
            image.file(&modules.join(module.place), 0o644, &module.content)?;
        }
        Ok(image.finish()?)
    }
}

/// Returns the path of a program.
fn installed(program: &str) -> Result<PathBuf> {
    process::find(program).with_context(|| format!("{program} is not installed"))
}

/// Returns the libraries of a program with the loader, as `ldd` finds them on this machine.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = process::output(Command::new("ldd").arg(program))?;
    Ok(listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
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
