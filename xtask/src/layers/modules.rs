//! The modules of a crate, as declared in its source files, and their imports.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::paths::{self, Source};

/// A source file with its path in the crate.
#[derive(Debug)]
pub(super) struct Module {
    file: PathBuf,
    /// `["render", "json"]`; empty for the root of a library or program.
    pub(super) path: Vec<String>,
    pub(super) source: Source,
}

impl Module {
    /// Reads every module under a folder except those for tests.
    pub(super) fn read(folder: &Path) -> Result<Vec<Self>> {
        let mut files = Vec::new();
        sources(folder, &mut files)?;
        let mut modules = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let relative = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
            modules.push(Self::new(&relative, file.clone(), &text));
        }
        Ok(without_tests(modules))
    }

    pub(super) fn new(relative: &Path, file: PathBuf, text: &str) -> Self {
        let path: Vec<_> = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let path = if path == ["lib"] || path == ["main"] { Vec::new() } else { path };
        Self { file, path, source: paths::read(text) }
    }

    /// Returns the top module that contains this one.
    pub(super) fn top(&self) -> Option<&str> {
        self.path.first().map(String::as_str)
    }

    /// Returns the paths of the crate named here, from its root on, with their lines.
    pub(super) fn imports(&self) -> impl Iterator<Item = (usize, Vec<String>)> {
        self.source.paths.iter().filter_map(|path| {
            let ups = path.segments.iter().take_while(|&segment| segment == "super").count();
            let (first, rest) = path.segments.split_first()?;
            let absolute = match first.as_str() {
                "crate" => rest.to_vec(),
                "self" => [self.path.as_slice(), rest].concat(),
                "super" => {
                    let above = self.path.get(..self.path.len().checked_sub(ups)?)?;
                    [above, path.segments.get(ups..)?].concat()
                }
                _ => return None,
            };
            Some((path.line, absolute))
        })
    }

    /// Returns the text of a fault, with its location.
    pub(super) fn fault(&self, line: usize, text: impl std::fmt::Display) -> String {
        format!("  {}:{line}: {text}", self.file.display())
    }
}

/// Collects the Rust files under a folder, in order.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            sources(&entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    Ok(())
}

/// Drops the modules declared only for tests, and all modules in them.
pub(super) fn without_tests(mut modules: Vec<Module>) -> Vec<Module> {
    let tests: Vec<Vec<String>> = modules
        .iter()
        .flat_map(|module| {
            module.source.test_modules.iter().map(|name| [module.path.as_slice(), std::slice::from_ref(name)].concat())
        })
        .collect();
    modules.retain(|module| !tests.iter().any(|test| module.path.starts_with(test)));
    modules
}
