//! Facts about this kernel: its types, its tracepoints, its features.

pub(in crate::bpf) mod btf;
pub(crate) mod features;
pub(crate) mod program_info;
pub(in crate::bpf) mod tracefs;
pub(in crate::bpf) mod tracepoint_format;
