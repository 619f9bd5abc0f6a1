//! The root manifest: folders, and the versions of pinned tools.

use std::{collections::BTreeMap, env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// The workspace as `cargo metadata` describes it.
#[derive(Debug, PartialEq)]
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// The target folder.
    pub(crate) target_dir: PathBuf,
    /// Versions of the Rust toolchain that everything but this program is built with, and of other tools.
    tools: BTreeMap<String, String>,
}

impl Workspace {
    /// Queries the cargo that started us, since the pinned toolchain may not be installed yet.
    pub(crate) fn read() -> Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let metadata = process::output(Command::new(cargo).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Self::parse(&metadata)
    }

    /// Parses the JSON of `cargo metadata`.
    fn parse(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata).context("`cargo metadata` wrote no JSON")?;
        let text = |pointer: &str| metadata.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let place = |name: &str| text(&format!("/{name}")).with_context(|| format!("`cargo metadata` has no {name}"));
        let tools = metadata.pointer("/metadata/tools").and_then(Value::as_object).into_iter().flatten();
        Ok(Self {
            root: place("workspace_root")?.into(),
            target_dir: place("target_directory")?.into(),
            tools: tools.filter_map(|(name, version)| Some((name.clone(), version.as_str()?.to_owned()))).collect(),
        })
    }

    /// Returns the pinned version of a tool.
    pub(crate) fn tool(&self, name: &str) -> Result<&str> {
        self.tools
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the root Cargo.toml has no {name} in [workspace.metadata.tools]: add it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_places_and_pins() {
        let workspace = Workspace::parse(
            r#"{"packages": [], "workspace_root": "/w", "target_directory": "/t",
                "metadata": {"tools": {"toolchain": "1.98.0", "bpf-linker": "0.13.0"}}}"#,
        );
        let expected = Workspace {
            root: "/w".into(),
            target_dir: "/t".into(),
            tools: [("toolchain", "1.98.0"), ("bpf-linker", "0.13.0")].map(|(k, v)| (k.into(), v.into())).into(),
        };
        assert_eq!(workspace.ok(), Some(expected));
    }

    #[test]
    fn says_which_pin_is_missing() {
        let workspace = Workspace::parse(
            r#"{"workspace_root": "/w", "target_directory": "/t", "metadata": {"tools": {"toolchain": "1.98.0"}}}"#,
        );
        let tool =
            |name| workspace.as_ref().map_err(ToString::to_string)?.tool(name).map_err(|error| error.to_string());
        assert_eq!(tool("toolchain"), Ok("1.98.0"));
        let expected = "the root Cargo.toml has no bpf-linker in [workspace.metadata.tools]: add it";
        assert_eq!(tool("bpf-linker"), Err(expected.to_owned()));
    }
}
