//! A virtual machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{arch::Arch, kernels::Unpacked};

/// The output of a machine.
pub(crate) struct Ended {
    /// The tests' own output.
    pub(crate) tests: String,
    /// Its file.
    pub(crate) tests_file: PathBuf,
    /// The kernel's messages.
    pub(crate) console: String,
    /// Their file.
    pub(crate) console_file: PathBuf,
}

/// Boots a kernel with a file system and waits until the machine ends, or ends it after `limit`; its output shows its
/// progress.
pub(crate) fn run(arch: &Arch, kernel: &Unpacked, image: &Path, limit: Duration, logs: &Path) -> Result<Ended> {
    fs::create_dir_all(logs)?;
    let file = |kind: &str| logs.join(format!("{}.{kind}.log", kernel.release));
    let (console_file, tests_file) = (file("console"), file("tests"));
    for old in [&console_file, &tests_file] {
        // It would otherwise be taken for this run's.
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    // coreutils' timeout ends it by force; in the foreground, so that Ctrl-C reaches it, too.
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=5"]).arg(limit.as_secs().to_string());
    command
        .arg(arch.emulator.program)
        // Without KVM, which is not available everywhere, and hangs on some machines that are virtual themselves.
        .args([
            "-accel",
            "tcg,thread=multi",
            "-m",
            "1024",
            "-smp",
            "2",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args(arch.machine(&console_file, &tests_file))
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(image)
        // What the kernel does not know becomes a variable of the first process.
        .args(["-append", &format!("console={} quiet panic=-1 TESTS={}", arch.console, arch.tests)])
        .stdin(Stdio::null());
    // Its exit status is ignored, even after a time-out: the tests' output is what counts.
    command.status().context("cannot start timeout, of coreutils")?;

    let [tests, console] = [read(&tests_file)?, read(&console_file)?];
    Ok(Ended { tests, tests_file, console, console_file })
}

/// Reads the output of a serial port.
fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("the emulator has not written {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
