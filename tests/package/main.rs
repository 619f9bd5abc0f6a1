//! The Debian package: installed into a copy of this system, used as its users would, upgraded and removed.
//!
//! `cargo xtask dist --check` builds the package and runs these tests.

mod control_group;
mod machine;
mod service;
mod units;
mod users;
