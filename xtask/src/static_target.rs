//! Targets of static binaries.

use std::env::consts::ARCH;

/// The targets that `cargo xtask dist` makes files for, besides this machine's.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// A target with musl, by its triple.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StaticTarget(String);

impl StaticTarget {
    /// Returns that of this machine.
    pub(crate) fn host() -> Self {
        Self(format!("{ARCH}-unknown-linux-musl"))
    }

    /// Creates a target from its triple.
    pub(crate) fn of(triple: String) -> Self {
        Self(triple)
    }

    /// Returns the triple.
    pub(crate) fn triple(&self) -> &str {
        &self.0
    }

    /// Returns the processor, as named by Rust and Linux.
    pub(crate) fn arch(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// Returns true if its programs run on this machine.
    pub(crate) fn is_host(&self) -> bool {
        *self == Self::host()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_begins_the_triple() {
        let archs = TARGETS.map(|triple| StaticTarget::of(triple.to_owned()).arch().to_owned());
        assert_eq!(archs, ["x86_64", "aarch64"]);
        assert_eq!(StaticTarget::host().arch(), ARCH);
        assert!(StaticTarget::host().is_host());
    }
}
