//! `cargo xtask vm`: the end-to-end tests on other kernels than this machine's.

use std::{env::consts::ARCH, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Args, builder::PossibleValuesParser};

use crate::{
    project::Project,
    setup::machine_tools,
    vm::{
        Guest,
        checks::CHECKS,
        kernels::{KERNELS, Kernel},
        machine,
        report::{self, Column},
    },
};

/// How long a machine may run. Under emulation a test takes about ten times as long as without.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// How much of a log is shown when something failed, in lines.
const TAIL: usize = 60;

/// Boot Debian's kernels in an emulator and run end-to-end tests inside (table: target/vm/results.md)
#[derive(Args)]
pub(crate) struct Vm {
    /// Which kernels; they are fetched with apt-get
    #[arg(
        value_name = "KERNEL",
        required_unless_present = "all",
        value_parser = PossibleValuesParser::new(KERNELS.map(|kernel| kernel.name))
    )]
    kernels: Vec<String>,

    /// All of these kernels
    #[arg(long, conflicts_with = "kernels")]
    all: bool,

    /// Arguments for the test binary, for example a test's name, instead of the checks of the table
    #[arg(last = true)]
    args: Vec<String>,
}

impl Vm {
    /// Builds once, then boots one kernel after the other; what failed is told at the end.
    pub(crate) fn execute(self) -> Result<()> {
        if ARCH != "x86_64" {
            bail!("this needs a machine with an x86-64 processor: it runs this machine's programs on other kernels");
        }
        let project = Project::set_up()?;
        machine_tools::ensure()?;
        let runs = Runs::prepare(&project, self.args)?;
        let mut columns = Vec::new();
        let mut failed = Vec::new();
        for kernel in KERNELS.iter().filter(|kernel| self.all || self.kernels.iter().any(|name| name == kernel.name)) {
            let (column, good) = runs.run(kernel)?;
            if !good {
                failed.push(column.release.clone());
            }
            columns.push(column);
        }
        if runs.arguments.is_empty() {
            let table = report::table(&columns, &runs.tests);
            let file = runs.folder.join("results.md");
            fs::write(&file, &table).with_context(|| format!("cannot write {}", file.display()))?;
            print!("{table}");
        }
        if !failed.is_empty() {
            bail!("tests failed on {}", failed.join(", "));
        }
        Ok(())
    }
}

/// What all machines have in common.
struct Runs {
    guest: Guest,
    folder: PathBuf,
    /// The names of all tests.
    tests: Vec<String>,
    /// Arguments for the test binary instead of what is to be checked.
    arguments: Vec<String>,
}

impl Runs {
    fn prepare(project: &Project, arguments: Vec<String>) -> Result<Self> {
        let folder = project.target_dir().join("vm");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let guest = Guest::build(project, &folder)?;
        let tests = guest.tests()?;
        let unknown: Vec<_> = CHECKS.iter().flat_map(|check| check.unknown(&tests)).collect();
        if !unknown.is_empty() {
            bail!("no test has a name that begins with {}: mend xtask/src/vm/checks.rs", unknown.join(", "));
        }
        Ok(Self { guest, folder, tests, arguments })
    }

    /// Runs a kernel and returns what came of it, and whether all of that is good.
    fn run(&self, kernel: &Kernel) -> Result<(Column, bool)> {
        let unpacked = kernel.fetch(&self.folder.join("kernels"))?;
        let arguments = if self.arguments.is_empty() { self.checks(&unpacked.release) } else { self.arguments.clone() };
        let image = self.folder.join("image.cpio");
        self.guest.write_image(&unpacked, &arguments, &image)?;

        eprintln!("xtask: booting {}", unpacked.release);
        let ended = machine::run(&unpacked, &image, LIMIT, &self.folder.join("logs"))?;
        let column = Column::read(&unpacked.release, &ended.tests);
        let good = ended.tests.lines().any(|line| line == "ended with 0")
            && (!self.arguments.is_empty() || column.is_good(&self.tests));
        if !good {
            let lines: Vec<_> = ended.tests.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(TAIL)..].join("\n"));
        }
        if !good || !self.arguments.is_empty() {
            let (tests, console) = (ended.tests_file.display(), ended.console_file.display());
            eprintln!("xtask: the tests' output is in {tests}, the kernel's in {console}");
        }
        Ok((column, good))
    }

    /// The exact names of the tests of all checks that apply to a kernel.
    fn checks(&self, release: &str) -> Vec<String> {
        let version = report::version(release);
        let checks = CHECKS.iter().filter(|check| check.applies_to(version));
        let tests = checks.flat_map(|check| check.tests(&self.tests)).map(str::to_owned);
        ["--exact".to_owned()].into_iter().chain(tests).collect()
    }
}
