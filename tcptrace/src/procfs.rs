//! Information about processes from `/proc`.

pub mod kernel_threads;
pub(crate) mod stat;
