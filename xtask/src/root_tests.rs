//! Tests run as root, while cargo runs as the user, who then owns the files that it writes.

use std::{env, ffi::OsStr, process::Command};

use anyhow::Result;

use crate::{project::Project, root};

/// The variable in which libtest reads how many tests run at the same time.
const THREADS: &str = "RUST_TEST_THREADS";

/// Parallelism of the tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tests {
    /// One test per processor at a time: they share nothing.
    AtOnce,
    /// One test at a time: they trace. State changes are seen host-wide: an interrupt that handles one test's segments in
    /// the middle of a kernel program keeps the program of another test's tracer from running, which that correctly counts
    /// as a loss.
    InTurn,
}

/// Returns a `cargo test` command whose test binaries run as root, through sudo if needed, with these environment variables.
pub(crate) fn command(project: &Project, tests: Tests, variables: &[(&str, &OsStr)]) -> Result<Command> {
    let mut cargo = project.cargo("test");
    cargo.arg("--locked");
    let one = tests == Tests::InTurn && env::var_os(THREADS).is_none();
    let threads = one.then_some((THREADS, OsStr::new("1")));
    let variables: Vec<_> = variables.iter().copied().chain(threads).collect();
    cargo.envs(variables.iter().copied());
    if !root::is_root()? {
        let ours = variables.iter().map(|(name, value)| ((*name).to_owned(), value.to_string_lossy().into_owned()));
        cargo.arg("--config").arg(runner(root::sudo()?, env::vars(), ours));
    }
    Ok(cargo)
}

/// Returns the cargo setting that makes cargo run each test binary through sudo.
fn runner(
    sudo: &OsStr,
    environment: impl Iterator<Item = (String, String)>,
    ours: impl Iterator<Item = (String, String)>,
) -> String {
    // sudo starts with an environment of its own. env(1) sets these again; sudo's own -E is not allowed everywhere.
    let kept = environment.filter(|(name, _)| name.starts_with("RUST_") || name.starts_with("TCPTRACE_"));
    // If env(1) is given a variable twice, the later value counts.
    let variables = kept.chain(ours).map(|(name, value)| format!("{name}={value}"));
    let words = [sudo.to_string_lossy().into_owned(), "env".to_owned()].into_iter().chain(variables);
    // A JSON array of strings is also one in TOML.
    format!("target.'cfg(all())'.runner={}", serde_json::Value::from_iter(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_hands_on_what_tests_read() {
        let variables = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
        };
        let environment = [("HOME", "/home/user"), ("RUST_LOG", "a=\"b\""), ("TCPTRACE_X", "1")];
        assert_eq!(
            runner(OsStr::new("sudo"), variables(&environment), variables(&[("TCPTRACE_BIN", "/new")])),
            r#"target.'cfg(all())'.runner=["sudo","env","RUST_LOG=a=\"b\"","TCPTRACE_X=1","TCPTRACE_BIN=/new"]"#
        );
    }
}
