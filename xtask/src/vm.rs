//! Other kernels than this machine's: Debian's, booted in an emulator, with the end-to-end tests run inside.
//!
//! Software emulation only: it works on every machine, even on a virtual one.

pub(crate) mod arch;
pub(crate) mod checks;
mod guest;
mod image;
pub(crate) mod kernels;
pub(crate) mod machine;
mod modules;
mod packages;
pub(crate) mod report;
mod system;

pub(crate) use guest::Guest;
