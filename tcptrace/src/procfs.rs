//! Reading what `/proc` says of processes.

pub mod kernel_threads;
pub(crate) mod stat;
