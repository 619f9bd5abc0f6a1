//! The Debian package: installed into a copy of this system, used as its users would, upgraded and removed. And the package
//! and the archive in a container with nothing else.
//!
//! `cargo xtask dist --check` builds the package and runs these tests.

mod clean;
mod container;
mod control_group;
mod machine;
mod service;
mod units;
mod users;
