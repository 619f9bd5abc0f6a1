//! Real connections on a real kernel, each test in network namespaces of its own. They need root and fail without it.
//!
//! State changes are traced for the whole host and tests run side by side. So every test either has a port that no other
//! test uses, or looks only at the records of its own namespace.

mod advice;
mod analysis;
mod attach;
mod bounds;
mod clsact;
mod command;
mod control_groups;
mod doctor;
mod drops;
mod endings;
mod file;
mod file_capabilities;
mod filters;
mod frames;
mod ground;
mod hints;
mod keep_alive;
mod kinds;
mod ladder;
mod leaks;
mod live_and_captured;
mod load;
mod loopback;
mod malformed;
mod metrics;
mod names;
mod namespaces;
mod nat;
mod netem;
mod no_btf;
mod otlp;
mod owners;
mod page;
mod privileges;
mod process_filters;
mod readers;
mod real_servers;
mod recordings;
mod scenarios;
mod schema;
mod second_opinion;
mod seeds;
mod service;
mod shapes;
mod silence;
mod stalled;
mod text;
mod top;
mod tun;
mod two_hosts;
mod wakes;
mod which_segments;
mod wireshark;
