//! Meanings of the numbers that the traced kernel gives as reasons.

use super::{DropReasons, reset_reason::ResetReasons};

/// Tables of the traced kernel's reasons. They belong to its records: the numbers differ between kernels.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KernelReasons {
    /// For resets that it sends.
    pub resets: ResetReasons,
    /// For segments that it drops.
    pub drops: DropReasons,
}

impl From<ResetReasons> for KernelReasons {
    /// Creates the tables of a kernel that does not report why it drops segments.
    fn from(resets: ResetReasons) -> Self {
        Self { resets, drops: DropReasons::default() }
    }
}
