//! Targets of static binaries.

use std::env::consts::ARCH;

/// The targets that `cargo xtask dist` makes files for, besides this machine's.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// A target with musl, by its triple.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StaticTarget(String);

impl StaticTarget {
    /// This machine's.
    pub(crate) fn host() -> Self {
        Self(format!("{ARCH}-unknown-linux-musl"))
    }

    /// The one with this triple.
    pub(crate) fn of(triple: String) -> Self {
        Self(triple)
    }

    /// The triple.
    pub(crate) fn triple(&self) -> &str {
        &self.0
    }

    /// The processor, as Rust and Linux name it.
    pub(crate) fn arch(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// Returns whether its programs run on this machine.
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
