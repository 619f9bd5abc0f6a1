//! The maps that the kernel programs share with user space.

pub(in crate::bpf) mod filters;
pub(crate) mod loss_counters;
pub(crate) mod pending_states;
pub(in crate::bpf) mod readiness;
pub(crate) mod ring;
pub(crate) mod skip_counters;
