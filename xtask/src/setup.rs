//! The tools that have to be there before anything is built or tested, one file for each.

pub(crate) mod apt;
pub(crate) mod bpf_linker;
pub(crate) mod cargo_tool;
pub(crate) mod machine_tools;
pub(crate) mod package_tools;
pub(crate) mod test_tools;
pub(crate) mod toolchain;
