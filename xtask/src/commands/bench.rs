//! `cargo xtask bench`: what tracing costs, in tables.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
    root,
};

/// Measure what tracing costs, as root (through sudo where needed), beside the other tools that are installed
#[derive(Args)]
pub(crate) struct Bench {
    /// What to measure, and how often; `-- --help` says what there is. All of it takes some ten minutes, in which nothing
    /// else should run
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Bench {
    /// Builds as the user who calls, and measures as root.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        project.build(Profile::Release)?;
        // By itself: built together with tcptrace, both would get the features of libraries that either needs.
        let mut cargo = project.cargo("build");
        process::run(cargo.args(["--package", "tcptrace-tests", "--bins", "--release", "--locked"]))?;

        let binary = project.binary(Profile::Release);
        // env(1) and not this process's environment, which sudo would not hand on.
        let mut command = root::command("env")?;
        let mut tracer = OsString::from("TCPTRACE_BIN=");
        tracer.push(&binary);
        command.arg(tracer).arg(binary.with_file_name("tt-bench")).args(self.args);
        run_and_keep(&mut command, &project.target_dir().join("bench/results.md"))
    }
}

/// Runs a command to its end; what it writes to standard output goes where ours goes, and into a file.
fn run_and_keep(command: &mut Command, path: &Path) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::command_line(command)))?;
    let kept = child.stdout.take().map_or(Ok(()), |from| keep(from, path));
    let status = child.wait().context("cannot wait for what was started")?;
    kept.with_context(|| format!("cannot keep the results in {}", path.display()))?;
    if !status.success() {
        bail!("`{}` failed ({status})", process::command_line(command));
    }
    eprintln!("xtask: {}", path.display());
    Ok(())
}

/// Copies as it comes. An empty output leaves the file as it was.
fn keep(mut from: impl Read, path: &Path) -> io::Result<()> {
    let (mut file, mut buffer) = (None, [0; 4096]);
    loop {
        let (read, _) = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => buffer.split_at(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        io::stdout().write_all(read)?;
        io::stdout().flush()?;
        let file = match &mut file {
            Some(file) => file,
            None => file.insert(create(path)?),
        };
        file.write_all(read)?;
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_written() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        let file = folder.join("new/results.md");
        run_and_keep(Command::new("echo").arg("first"), &file)?;
        run_and_keep(&mut Command::new("true"), &file)?;
        assert_eq!(fs::read_to_string(&file)?, "first\n");
        assert!(run_and_keep(&mut Command::new("false"), &file).is_err());
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
