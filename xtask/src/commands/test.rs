//! `cargo xtask test`: all tests, the end-to-end ones against the release binary and as root.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use anyhow::Result;
use clap::Args;

use crate::{
    process,
    project::{Profile, Project},
    root,
    setup::test_tools,
};

/// The end-to-end tests start the binary that this variable names.
const BINARY: &str = "TCPTRACE_BIN";

/// How many tests run at the same time, as libtest reads it. State changes are seen host-wide: an interrupt that works on one
/// test's segments in the middle of a kernel program keeps the program of another test's tracer from running, which that
/// counts as lost, and rightly.
const THREADS: (&str, &str) = ("RUST_TEST_THREADS", "1");

/// Run all tests as root (through sudo where needed)
#[derive(Args)]
pub(crate) struct Test {
    /// Arguments for `cargo test --workspace`, for example a test's name, or `--package tcptrace` in place of the
    /// whole workspace; arguments for the test binaries follow after a second `--`
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Test {
    /// Builds as the user who calls, and runs what was built as root.
    pub(crate) fn execute(self) -> Result<()> {
        let project = Project::set_up()?;
        test_tools::ensure()?;
        project.build(Profile::Release)?;

        let binary = project.binary(Profile::Release);
        let mut cargo = project.cargo("test");
        cargo.arg("--locked").env(BINARY, &binary);
        let (name, one) = THREADS;
        let threads = env::var_os(name).is_none().then(|| (name.to_owned(), one.to_owned()));
        cargo.envs(threads.clone());
        if !selects_packages(&self.args) {
            cargo.arg("--workspace");
        }
        if !root::is_root()? {
            let binary = format!("{BINARY}={}", binary.display());
            cargo.arg("--config").arg(runner(root::sudo()?, binary, env::vars().chain(threads)));
        }
        process::run(cargo.args(&self.args))
    }
}

/// Whether these arguments of `cargo test` name packages; cargo would ignore them beside `--workspace`.
fn selects_packages(args: &[OsString]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .map(|arg| arg.as_encoded_bytes())
        .any(|arg| arg.starts_with(b"-p") || arg.starts_with(b"--package"))
}

/// The cargo setting that makes cargo run each test binary through sudo, while cargo itself, and so all that it writes,
/// stays the user's.
fn runner(sudo: &OsStr, binary: String, environment: impl Iterator<Item = (String, String)>) -> String {
    // sudo starts with an environment of its own. env(1) sets these again; sudo's own -E is not allowed everywhere.
    let kept = environment
        .filter(|(name, _)| name != BINARY && (name.starts_with("RUST_") || name.starts_with("TCPTRACE_")))
        .map(|(name, value)| format!("{name}={value}"));
    let words = [sudo.to_string_lossy().into_owned(), "env".to_owned(), binary].into_iter().chain(kept);
    // An array of strings in JSON is one in TOML.
    format!("target.'cfg(all())'.runner={}", serde_json::Value::from_iter(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn packages_replace_the_workspace() {
        assert!(selects_packages(&args(&["--package", "tcptrace"])));
        assert!(selects_packages(&args(&["--package=tcptrace", "handshake"])));
        assert!(selects_packages(&args(&["-p", "tcptrace"])));
        assert!(selects_packages(&args(&["-ptcptrace"])));
        assert!(!selects_packages(&args(&[])));
        assert!(!selects_packages(&args(&["handshake", "--", "-p"])));
    }

    #[test]
    fn the_runner_hands_on_what_tests_read() {
        let environment =
            [("HOME", "/home/user"), ("RUST_LOG", "a=\"b\""), ("TCPTRACE_BIN", "/old"), ("TCPTRACE_X", "1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            runner(OsStr::new("sudo"), "TCPTRACE_BIN=/new".to_owned(), environment.into_iter()),
            r#"target.'cfg(all())'.runner=["sudo","env","TCPTRACE_BIN=/new","RUST_LOG=a=\"b\"","TCPTRACE_X=1"]"#
        );
    }
}
