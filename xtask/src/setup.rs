//! Installation of the tools for building and testing, one module for each.

pub(crate) mod apt;
pub(crate) mod bpf_linker;
pub(crate) mod cargo_tool;
pub(crate) mod clean_system;
pub(crate) mod machine_tools;
pub(crate) mod package_tools;
pub(crate) mod python_packages;
pub(crate) mod servers;
pub(crate) mod test_tools;
pub(crate) mod toolchain;
pub(crate) mod wheels;
