//! The packages in Cargo.lock: their licences, and the number of versions of each. This works offline.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Licences that any package may have: they require a notice at most.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that may have several versions, since others have not moved to the newest yet.
const SEVERAL_VERSIONS: [&str; 10] =
    ["bit-set", "bit-vec", "cpufeatures", "getrandom", "itertools", "r-efi", "rand", "rand_core", "syn", "windows-sys"];

/// Checks the packages in the JSON of `cargo metadata`.
pub(crate) fn check(metadata: &str) -> Result<()> {
    let metadata: Value = serde_json::from_str(metadata).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("`cargo metadata` has no packages")?;
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, licence) = (text("name"), text("license"));
        versions.entry(name).or_default().insert(text("version"));
        if !is_allowed(licence) {
            faults.push(format!("  {name} has the licence '{licence}'"));
        }
    }
    for (name, versions) in &versions {
        match (versions.len() > 1, SEVERAL_VERSIONS.contains(name)) {
            (true, false) => {
                let versions: Vec<_> = versions.iter().copied().collect();
                faults.push(format!("  {name} is there as {}", versions.join(" and ")));
            }
            (false, true) => faults.push(format!("  {name} is there once: take it off the list in dependencies.rs")),
            _ => {}
        }
    }
    if !faults.is_empty() {
        bail!("dependencies that xtask/src/dependencies.rs does not allow:\n{}", faults.join("\n"));
    }
    Ok(())
}

/// Returns true if an SPDX expression, or two licences with a slash between them as in older manifests, can be satisfied by
/// [`LICENCES`] alone.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = expression.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    either(&mut rest) && rest.is_empty()
}

/// Evaluates `A OR B`, of the lowest precedence.
fn either(rest: &mut &[&str]) -> bool {
    let mut allowed = both(rest);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        allowed |= both(rest);
    }
    allowed
}

/// Evaluates `A AND B`.
fn both(rest: &mut &[&str]) -> bool {
    let mut allowed = one(rest);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        allowed &= one(rest);
    }
    allowed
}

/// Evaluates a licence, or an expression in parentheses.
fn one(rest: &mut &[&str]) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let allowed = either(rest);
            let closed = rest.first() == Some(&")");
            *rest = rest.get(1..).unwrap_or_default();
            allowed && closed
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            LICENCES.contains(&format!("{licence} WITH {exception}").as_str())
        }
        [licence, after @ ..] => {
            *rest = after;
            LICENCES.contains(licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_enough_and_a_sum_has_to_be_allowed_as_a_whole() {
        for allowed in [
            "MIT",
            "MIT OR Apache-2.0",
            "GPL-3.0 OR MIT",
            "Unlicense/MIT",
            "Apache-2.0 / MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "GPL-3.0 AND MIT OR ISC",
        ] {
            assert!(is_allowed(allowed), "{allowed}");
        }
        for refused in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "MIT WITH LLVM-exception",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
        ] {
            assert!(!is_allowed(refused), "{refused}");
        }
    }

    /// Returns the packages that the lists name, as required, and `more`.
    fn metadata(more: &[(&str, &str, &str)]) -> String {
        let package = |(name, version, license): (&str, &str, &str)| {
            format!(r#"{{"name": "{name}", "version": "{version}", "license": "{license}"}}"#)
        };
        let twice = SEVERAL_VERSIONS.into_iter().flat_map(|name| [(name, "1.0.0", "MIT"), (name, "2.0.0", "MIT")]);
        let packages: Vec<_> = twice.chain(more.iter().copied()).map(package).collect();
        format!(r#"{{"packages": [{}]}}"#, packages.join(", "))
    }

    #[test]
    fn other_licences_and_other_duplicates_are_named() {
        assert!(check(&metadata(&[("a", "1.0.0", "MIT")])).is_ok());
        let error = check(&metadata(&[("a", "1.0.0", "GPL-3.0"), ("b", "1.0.0", "MIT"), ("b", "2.0.0", "MIT")]));
        let expected = "dependencies that xtask/src/dependencies.rs does not allow:\n  a has the licence 'GPL-3.0'\n  \
                        b is there as 1.0.0 and 2.0.0";
        assert_eq!(error.map_err(|error| error.to_string()), Err(expected.to_owned()));
    }

    #[test]
    fn the_list_of_duplicates_grows_no_moss() {
        let once = metadata(&[]).replacen(r#""syn", "version": "2.0.0""#, r#""syn", "version": "1.0.0""#, 1);
        let error = check(&once).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("syn is there once")));
    }
}
