//! Attaching the TC classifiers to interfaces, and removing what an earlier tracer left there.

pub(crate) mod attach;
pub(crate) mod clsact;
pub(crate) mod filter_name;
pub mod stale_filters;
