//! A clean Debian in a container of Podman: files are installed there as docs/install.md says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tcptrace_tests::{Netns, Podman, Tracer, output};
use tempfile::TempDir;

const DOCUMENT: &str = include_str!("../../docs/install.md");

/// Name of the container.
const NAME: &str = "tt-clean";

/// Its working folder.
const HOME: &str = "root";

/// The option that docs/install.md has for runtimes whose filter of system calls is in the way.
const UNFILTERED: &str = "seccomp=unconfined";

/// A running container with nothing installed but what is essential, and apt; it has a network of its own, with no other host
/// in it.
pub(crate) struct Container {
    // Dropped in this order: what runs, its files, its network.
    podman: Podman,
    root: TempDir,
    netns: Netns,
}

impl Container {
    /// Starts one as docs/install.md says.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with(&documented_options())
    }

    /// Starts one under a filter of system calls from a file, and otherwise as docs/install.md says.
    #[track_caller]
    pub(crate) fn start_under(filter: &Path) -> Self {
        let filter = format!("seccomp={}", filter.display());
        let options = documented_options().into_iter();
        Self::start_with(&options.map(|option| if option == UNFILTERED { &filter } else { option }).collect::<Vec<_>>())
    }

    /// Starts one with these options of `podman run`.
    #[track_caller]
    fn start_with(options: &[&str]) -> Self {
        let netns = Netns::new();
        let podman = Podman::new(&netns);
        let root = tempfile::tempdir().expect("a folder");
        output(
            Command::new("tar")
                .arg("--extract")
                .arg("--file")
                .arg(file("TCPTRACE_CLEAN_SYSTEM"))
                .arg("--directory")
                .arg(root.path()),
        );
        podman.start_system(NAME, root.path(), &[&["--network", "none"], options].concat());
        let container = Self { podman, root, netns };
        // There is nobody to ask.
        container.run("echo 'APT::Get::Assume-Yes \"true\";' >/etc/apt/apt.conf.d/assume-yes");
        container
    }

    /// Copies a file to the working folder.
    #[track_caller]
    pub(crate) fn bring(&self, file: &Path) {
        let name = file.file_name().expect("a file has a name");
        fs::copy(file, self.root.path().join(HOME).join(name)).expect("a file can be copied");
    }

    /// Runs the commands of a section of docs/install.md. They are for this processor, and everything runs as root, where the
    /// document has sudo.
    #[track_caller]
    pub(crate) fn follow(&self, heading: &str) {
        let architecture = output(Command::new("dpkg").arg("--print-architecture"));
        let commands = documented_commands(heading).replace("amd64", architecture.trim());
        self.run(&commands.replace("x86_64", std::env::consts::ARCH).replace("sudo ", ""));
    }

    /// Runs a shell command in it, which must succeed, and returns its stdout.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        output(&mut self.command(line))
    }

    /// Runs a shell command in it, with any result.
    #[track_caller]
    pub(crate) fn try_run(&self, line: &str) -> Output {
        self.command(line).stdin(Stdio::null()).output().expect("nsenter is installed")
    }

    /// Starts a tracer in it.
    #[track_caller]
    pub(crate) fn trace(&self, line: &str) -> Tracer {
        Tracer::start_command(&self.netns, &mut self.command(&format!("exec {line}")))
    }

    fn command(&self, line: &str) -> Command {
        self.podman.podman(&["exec", "--workdir", &format!("/{HOME}"), NAME, "sh", "-e", "-c", line])
    }
}

/// Returns the path in a variable that `cargo xtask dist --check` sets.
#[track_caller]
pub(crate) fn file(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("{variable} names a file: run `cargo xtask dist --check`")).into()
}

/// Returns the first block of commands in a section of docs/install.md.
#[track_caller]
fn documented_commands(heading: &str) -> &'static str {
    let block = || {
        let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n"))?;
        let (section, _) = section.split_once("\n## ")?;
        let (_, block) = section.split_once("\n```sh\n")?;
        Some(block.split_once("```")?.0)
    };
    block().unwrap_or_else(|| panic!("docs/install.md has no commands below {heading}"))
}

/// Returns the options of `podman run` in docs/install.md, without those for a terminal.
#[track_caller]
fn documented_options() -> Vec<&'static str> {
    let words = documented_commands("In a container").split_whitespace().skip_while(|word| *word != "run").skip(1);
    // A backslash continues the line.
    let options: Vec<_> = words.take_while(|word| *word != "--interactive").filter(|word| *word != "\\").collect();
    assert!(options.contains(&UNFILTERED), "{options:?}");
    options
}
