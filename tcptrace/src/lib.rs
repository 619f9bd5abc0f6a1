//! The operating system's side of `tcptrace`: kernel programs, files, clocks and privileges around [`tcptrace_core`].
//!
//! ```text
//! kernel   sock:inet_sock_set_state ──┐
//!          tcp:tcp_send_reset, … ─────┤
//!          TC ingress, TC egress ─────┴─▶ one ring buffer          tcptrace-ebpf
//! ─────────────────────────────────────────────────────────────────────────────
//! IO       bpf            load, attach, drain, count what was lost
//!          interfaces     which there are, as they come and go
//!          socket_owners  which processes hold the sockets that are there
//! pure     tcptrace_core  bytes → events → connections and verdicts → output records → text or JSON
//! IO       sink           stdout and the file of --write, without ever waiting for a reader
//!
//!          privileges     what each thread gives up once it has what it needs
//!          app            signals, time and order: the only place that knows them all
//! ```

pub mod app;
pub mod bpf;
pub mod cli;
pub mod host_clock;
pub mod interfaces;
pub mod output;
pub mod pipeline;
pub mod preflight;
pub mod privileges;
pub mod procfs;
pub mod sink;
pub mod socket_owners;
