//! `cargo xtask fuzz`: runs the fuzz targets with libFuzzer, and random exchanges against the model in tcptrace/core/oracle.

use std::{
    collections::BTreeSet,
    env::consts::ARCH,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, builder::PossibleValuesParser};

use crate::{process, project::Project};

/// The targets, and the maximum length of their inputs in bytes: enough for a few records, a header, a small file and a few
/// hundred events.
const TARGETS: [(&str, u32); 5] =
    [("record", 2048), ("options", 64), ("capture", 4096), ("ttr", 4096), ("correlator", 4096)];

/// Random exchanges, for which the correlator must reach the verdicts of a model of TCP; not a target of libFuzzer.
const ORACLE: &str = "oracle";

/// Environment variables of that test: its duration in seconds, and its first seed.
const ORACLE_SECONDS: &str = "ORACLE_SECONDS";
const ORACLE_SEED: &str = "ORACLE_SEED";

/// Maximum time for one input, in seconds; longer ones are findings.
const TIMEOUT: u32 = 10;

/// Maximum memory use, in MiB; more is a finding.
const MEMORY: u32 = 2048;

/// Let libFuzzer look for inputs that a fuzz target fails with (what it finds: target/fuzz/artifacts)
///
/// It begins with the inputs in tcptrace/core/fuzz/corpus and with those that earlier runs have added to target/fuzz/corpus.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// The targets to run [default: all]
    #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(names()))]
    targets: Vec<String>,

    /// Seconds for each target; 0 runs only the inputs that exist, and no exchanges
    #[arg(long, default_value_t = 60)]
    seconds: u32,

    /// Run the named target with one input, for example one that it has failed with
    #[arg(long, value_name = "FILE", requires = "targets")]
    input: Option<PathBuf>,
}

impl Fuzz {
    /// Builds all targets at once and runs one after the other, until one fails.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up_core()?;
        let wanted = |name: &str| self.targets.is_empty() || self.targets.iter().any(|target| target == name);
        let mut targets = TARGETS.into_iter().filter(|&(name, _)| wanted(name)).peekable();
        let fuzzer = Fuzzer::new(&project);
        if targets.peek().is_some() {
            fuzzer.build(&project)?;
        }
        for (target, longest) in targets {
            match &self.input {
                Some(input) => process::run(fuzzer.target(target).arg(input))?,
                None => fuzzer.run(target, longest, self.seconds)?,
            }
        }
        if wanted(ORACLE) && self.input.is_none() && self.seconds > 0 {
            run_oracle(&project, self.seconds)?;
        }
        Ok(())
    }
}

/// Returns the names of all targets.
fn names() -> Vec<&'static str> {
    TARGETS.into_iter().map(|(name, _)| name).chain([ORACLE]).collect()
}

/// Runs random exchanges for `seconds`, different ones each time. A failure names its seed.
fn run_oracle(project: &Project, seconds: u32) -> Result<()> {
    let mut cargo = project.cargo("test");
    cargo.args(["--release", "--package", "tcptrace-core", "--test", "oracle", "--"]);
    cargo.args(["--ignored", "--nocapture", "for_longer"]).env(ORACLE_SECONDS, seconds.to_string());
    if std::env::var_os(ORACLE_SEED).is_none() {
        // There are fewer exchanges per second than microseconds.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        cargo.env(ORACLE_SEED, (since.as_secs() << 20).to_string());
    }
    process::run(&mut cargo)
}

/// The folders of the fuzz targets.
struct Fuzzer {
    /// The package with the targets.
    package: PathBuf,
    /// Folder of builds, findings and inputs that are kept. It lies in the target folder, where tcptrace's build script looks for its linker.
    folder: PathBuf,
    triple: String,
}

impl Fuzzer {
    fn new(project: &Project) -> Self {
        Self {
            package: project.fuzz_package(),
            folder: project.target_dir().join("fuzz"),
            triple: format!("{ARCH}-unknown-linux-gnu"),
        }
    }

    /// Builds the targets, with AddressSanitizer.
    fn build(&self, project: &Project) -> Result<()> {
        let mut build = project.command(&project.tool("cargo-fuzz")?);
        build
            .args(["build", "--target", &self.triple, "--fuzz-dir"])
            .arg(&self.package)
            .arg("--target-dir")
            .arg(&self.folder)
            // Every assertion counts, and the sanitizer's report names lines.
            .envs(
                ["DEBUG_ASSERTIONS", "OVERFLOW_CHECKS"].map(|check| (format!("CARGO_PROFILE_RELEASE_{check}"), "true")),
            )
            .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            // A stable compiler has the features that cargo-fuzz uses, and allows them only on request.
            .env("RUSTC_BOOTSTRAP", "1");
        process::run(&mut build)
    }

    /// A command that runs a target.
    fn target(&self, name: &str) -> Command {
        let mut target = Command::new(self.folder.join(&self.triple).join("release").join(name));
        target.arg(format!("-timeout={TIMEOUT}")).arg(format!("-rss_limit_mb={MEMORY}"));
        target
    }

    /// Runs a target for `seconds`.
    fn run(&self, name: &str, longest: u32, seconds: u32) -> Result<()> {
        let folder = |kind: &str| {
            let folder = self.folder.join(kind).join(name);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            Ok::<_, anyhow::Error>(folder)
        };
        let (finds, artifacts) = (folder("corpus")?, folder("artifacts")?);
        let before = files(&artifacts)?;
        let mut target = self.target(name);
        target.arg(format!("-max_len={longest}")).arg("-print_final_stats=1");
        // A time of 0 seconds would mean no limit.
        target.arg(if seconds == 0 { "-runs=0".to_owned() } else { format!("-max_total_time={seconds}") });
        // New inputs go to the first folder. The prefix is one of file names, so a folder must end in a slash.
        target.arg(format!("-artifact_prefix={}/", artifacts.display()));
        target.arg(&finds).arg(self.package.join("corpus").join(name));
        eprintln!("xtask: {}", process::command_line(&target));
        let failed = process::run(&mut target);
        // Slow inputs are written there, too.
        match (failed, files(&artifacts)?.difference(&before).find(|file| !is_slow(file))) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(file)) => bail!(
                "{name} fails with {file}: `cargo xtask fuzz {name} --input {file}` runs it again",
                file = file.display()
            ),
            (Err(error), None) => Err(error),
        }
    }
}

/// The files in a folder.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let paths = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    paths().with_context(|| format!("cannot read {}", folder.display()))
}

/// Returns true if libFuzzer has kept this input only because it was slow.
fn is_slow(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"slow-unit-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_here_and_has_a_corpus() -> Result<()> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcptrace/core/fuzz");
        let programs: BTreeSet<_> = files(&package.join("fuzz_targets"))?;
        let named = TARGETS.map(|(name, _)| package.join("fuzz_targets").join(name).with_extension("rs"));
        assert_eq!(programs, BTreeSet::from(named));
        for (name, longest) in TARGETS {
            let corpus = files(&package.join("corpus").join(name))?;
            assert!(!corpus.is_empty(), "{name}");
            for file in corpus {
                assert!(fs::metadata(&file)?.len() <= longest.into(), "{}", file.display());
            }
        }
        Ok(())
    }

    #[test]
    fn what_only_took_long_is_no_finding() {
        assert!(is_slow(Path::new("artifacts/record/slow-unit-0123")));
        assert!(!is_slow(Path::new("slow-unit-0/timeout-0123")));
    }
}
