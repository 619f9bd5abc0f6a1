//! `cargo xtask vm`: runs the end-to-end tests on other kernels in an emulator.

use std::{env::consts, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::{Args, builder::PossibleValuesParser};

use crate::{
    project::Project,
    setup::machine_tools,
    vm::{
        Guest,
        arch::{ARCHS, Arch},
        checks::{self, Row},
        kernels::{KERNELS, Kernel},
        machine,
        report::{self, Column},
    },
};

/// Maximum time that a machine may run. All checks take ten minutes on an idle host, twice as long for another processor.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Number of lines of a log that are shown after a failure.
const TAIL: usize = 60;

/// Boot Debian's kernels in an emulator and run end-to-end tests inside (table: target/vm/ARCH/results.md)
#[derive(Args)]
pub(crate) struct Vm {
    /// Which kernels; they are fetched with apt-get
    #[arg(
        value_name = "KERNEL",
        required_unless_present = "all",
        value_parser = PossibleValuesParser::new(KERNELS.map(|kernel| kernel.name))
    )]
    kernels: Vec<String>,

    /// The processor of the kernels; it is emulated, even if it is this machine's
    #[arg(
        long,
        default_value = consts::ARCH,
        value_parser = PossibleValuesParser::new(ARCHS.each_ref().map(|arch| arch.name))
    )]
    arch: String,

    /// All checks, not only the most important ones; all kernels, where none is named
    #[arg(long)]
    all: bool,

    /// Arguments for the test binary instead of any checks, for example the beginning of tests' names
    #[arg(last = true)]
    args: Vec<String>,
}

impl Vm {
    /// Builds once, then boots one kernel after the other; failures are listed at the end.
    pub(crate) fn execute(self) -> Result<()> {
        let arch = Arch::named(&self.arch).context("an unknown processor")?;
        let project = Project::set_up()?;
        machine_tools::ensure(arch.emulator)?;
        let folder = project.target_dir().join("vm").join(arch.name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let guest = Guest::build(&project, arch, &folder)?;
        let tests = guest.tests()?;
        let runs = Runs { arch, guest, folder, rows: checks::rows(&tests, self.all)?, arguments: &self.args };

        let wanted = |kernel: &&Kernel| self.kernels.is_empty() || self.kernels.iter().any(|name| name == kernel.name);
        let ended = KERNELS.iter().filter(wanted).map(|kernel| runs.run(kernel)).collect::<Result<Vec<_>>>()?;
        let failed: Vec<_> = ended.iter().filter(|run| !run.good).map(|run| run.column.release.clone()).collect();
        if self.args.is_empty() {
            runs.report(ended)?;
        }
        if !failed.is_empty() {
            bail!("not everything passed on {}", failed.join(", "));
        }
        Ok(())
    }
}

/// The settings that all machines share.
struct Runs<'a> {
    arch: &'a Arch,
    guest: Guest,
    folder: PathBuf,
    rows: Vec<Row<'a>>,
    /// Arguments for the test binary instead of the checks.
    arguments: &'a [String],
}

/// The result on one kernel.
struct Run {
    column: Column,
    /// True if every test came to its end and passed.
    good: bool,
}

impl Runs<'_> {
    /// Boots a kernel and runs the tests.
    fn run(&self, kernel: &Kernel) -> Result<Run> {
        let unpacked = kernel.fetch(self.arch, &self.folder.join("kernels"))?;
        let arguments = if self.arguments.is_empty() { self.names(&unpacked.release) } else { self.arguments.to_vec() };
        let image = self.folder.join(format!("{}.cpio", unpacked.release));
        self.guest
            .write_image(&unpacked, &arguments, &image)
            .with_context(|| format!("cannot make {}", image.display()))?;

        eprintln!("xtask: booting {}", unpacked.release);
        let ended = machine::run(self.arch, &unpacked, &image, LIMIT, &self.folder.join("logs"))?;
        // The machine writes this last: the tests' exit status, which is 0 only if all that were asked for passed.
        let good = ended.tests.lines().any(|line| line == "ended with 0");
        if !good {
            // If a kernel did not boot, the console shows the reason.
            let lines: Vec<_> = if ended.tests.is_empty() { &ended.console } else { &ended.tests }.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(TAIL)..].join("\n"));
        }
        if !good || !self.arguments.is_empty() {
            let (tests, console) = (ended.tests_file.display(), ended.console_file.display());
            eprintln!("xtask: the tests' output is in {tests}, the kernel's in {console}");
        }
        Ok(Run { column: Column::read(&unpacked.release, &ended.tests), good })
    }

    /// Arguments for the test binary: the names of the tests of all checks that apply to a kernel.
    fn names(&self, release: &str) -> Vec<String> {
        let version = report::version(release);
        let tests = self.rows.iter().filter_map(|row| row.for_kernel(version)).flatten().copied();
        ["--exact"].into_iter().chain(tests).map(str::to_owned).collect()
    }

    /// Prints the table, and keeps it.
    fn report(&self, ended: Vec<Run>) -> Result<()> {
        let columns: Vec<_> = ended.into_iter().map(|run| run.column).collect();
        let table = report::table(&self.rows, &columns);
        let file = self.folder.join("results.md");
        fs::write(&file, &table).with_context(|| format!("cannot write {}", file.display()))?;
        print!("{table}");
        Ok(())
    }
}
