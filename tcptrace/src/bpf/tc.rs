//! Attaches the TC classifiers to interfaces, and removes filters that killed tracers left there.

pub(crate) mod attach;
pub(crate) mod clsact;
pub(crate) mod filter_name;
pub mod interface;
pub mod programs;
pub(crate) mod put_filters;
pub mod stale_filters;
