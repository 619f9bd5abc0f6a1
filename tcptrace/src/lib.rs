//! The library behind `tcptrace`: how TCP connections are set up and torn down, as the kernel and the wire show it.
//!
//! ```text
//! kernel   sock:inet_sock_set_state ──┐
//!          tcp:tcp_send_reset, … ─────┤
//!          TC ingress, TC egress ─────┴─▶ one ring buffer          tcptrace-ebpf
//! ─────────────────────────────────────────────────────────────────────────────
//! IO       bpf          load, attach, drain, count what was lost
//!          capture      the frames of a capture file as events
//!          owners       which processes hold the sockets that are there
//!          recording    the JSON lines of an earlier run as events
//! pure     record       bytes → Event
//!          loss         where gaps are
//!          connections  Event → Placed: connection, socket and role, relative numbers
//!          describe     Placed → Entry: wall-clock time, names
//!          render       Entry → text or JSON
//! IO       sink         stdout and the file of --write, without ever waiting for a reader
//!
//!          privileges   what each thread gives up once it has what it needs
//!          app          signals, time and order: the only place that knows them all
//! ```

pub mod app;
pub mod bpf;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod connections;
pub mod describe;
pub mod entry;
pub mod event;
pub mod filter;
pub mod icmp;
pub mod kernel_threads;
pub mod loss;
pub mod output;
pub mod owners;
pub mod pipeline;
pub mod preflight;
pub mod privileges;
mod process_stat;
pub mod record;
pub mod recording;
pub mod render;
pub mod reset_reason;
pub mod schema;
pub mod sink;
pub mod tcp;
pub mod text;
pub mod timeline;
