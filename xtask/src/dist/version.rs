//! A release has one version: that of the root manifest, of the tag, and of the changelog.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{process, project::Project};

/// All packages of the workspace have this version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Checks the commit that is checked out. One without a tag of a version is not a release, and may be packed as it is.
pub(crate) fn check(project: &Project) -> Result<()> {
    let mut git = Command::new("git");
    let tags = process::output(git.args(["tag", "--points-at", "HEAD"]).current_dir(project.root()))?;
    let changelog = project.root().join("CHANGELOG.md");
    let changelog =
        std::fs::read_to_string(&changelog).with_context(|| format!("cannot read {}", changelog.display()))?;
    check_release(&tags, &changelog, VERSION)
}

/// Checks `v` and a version among the tags, a line each, against the changelog and the version of the packages.
fn check_release(tags: &str, changelog: &str, version: &str) -> Result<()> {
    for tagged in tags.lines().filter_map(|tag| tag.strip_prefix('v')).filter(|tag| tag.starts_with(char::is_numeric)) {
        ensure!(tagged == version, "the tag is v{tagged}, and the version in Cargo.toml {version}: change one of them");
        let section = section(changelog, &format!("{version} - "));
        ensure!(
            section.is_some_and(|entries| !entries.is_empty()),
            "CHANGELOG.md has no entries below `## {version} - DATE`: give what is unreleased that heading"
        );
        ensure!(
            section_is_empty(changelog, "Unreleased"),
            "CHANGELOG.md has unreleased entries, and the commit is tagged v{version}: move them below its heading"
        );
    }
    Ok(())
}

/// Returns the text below the heading with this beginning, up to the next one of its level.
fn section<'a>(changelog: &'a str, heading: &str) -> Option<&'a str> {
    let (_, below) = changelog.split_once(&format!("\n## {heading}"))?;
    let (_, text) = below.split_once('\n').unwrap_or_default();
    Some(text.split_once("\n## ").map_or(text, |(text, _)| text).trim())
}

fn section_is_empty(changelog: &str, heading: &str) -> bool {
    section(changelog, heading).is_none_or(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASED: &str =
        "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-12-01\n\n- More.\n\n## 0.1.0 - 2026-01-01\n";

    fn refusal(tags: &str, changelog: &str) -> String {
        check_release(tags, changelog, "0.2.0").map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_tag_takes_its_version_and_its_entries() {
        assert_eq!(refusal("v0.2.0\n", RELEASED), "");
        assert!(refusal("v0.3.0\n", RELEASED).starts_with("the tag is v0.3.0, and the version in Cargo.toml 0.2.0"));
        let undated = RELEASED.replace("0.2.0 - 2026-12-01", "Next");
        assert!(refusal("v0.2.0\n", &undated).starts_with("CHANGELOG.md has no entries below `## 0.2.0 - DATE`"));
        let bare = RELEASED.replace("- More.\n", "");
        assert!(refusal("v0.2.0\n", &bare).starts_with("CHANGELOG.md has no entries below"));
        let more = RELEASED.replace("Unreleased\n", "Unreleased\n\n- Even more.\n");
        assert!(refusal("v0.2.0\n", &more).starts_with("CHANGELOG.md has unreleased entries"));
    }

    #[test]
    fn what_is_not_tagged_may_have_any_changelog() {
        assert_eq!(refusal("", ""), "");
        assert_eq!(refusal("nightly\nverified\n", "## Unreleased\n\n- More.\n"), "");
    }
}
