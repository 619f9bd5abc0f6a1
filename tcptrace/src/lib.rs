//! The part of `tcptrace` that needs an operating system: kernel programs, files, clocks and privileges around
//! [`tcptrace_core`].
//!
//! ```text
//! kernel   sock:inet_sock_set_state ──┐
//!          tcp:tcp_send_reset, … ─────┤
//!          TC ingress, TC egress ─────┴─▶ one ring buffer          tcptrace-ebpf
//! ─────────────────────────────────────────────────────────────────────────────
//! IO       bpf            loads and attaches the programs, drains the ring, counts losses
//!          interfaces     the network interfaces, as they come and go
//!          conntrack      address translations that the kernel drops during a connection
//!          namespaces     the network namespaces besides the tracer's own
//!          socket_owners  the processes that hold existing sockets
//! pure     tcptrace_core  bytes → events → connections and verdicts → output records → text or JSON
//! IO       recorder       binary recordings of events, as they are before correlation
//!          sink           stdout and the file of --write, without waiting for slow readers
//!          metrics, otlp  numbers for scrapers; spans, log records and metrics for a collector
//!
//!          privileges     the rights that each thread keeps
//!          command        the command of `tcptrace -- COMMAND…`, and its sockets
//!          app            tasks, signals and timers: combines all of the above
//! ```

pub mod app;
pub mod bpf;
pub mod causes;
pub mod cgroups;
pub mod cli;
pub mod command;
pub mod conntrack;
mod container_names;
pub mod host_clock;
pub mod interfaces;
pub mod metrics;
pub mod namespaces;
pub mod otlp;
pub mod output;
mod pid_namespace;
pub mod pipeline;
pub mod preflight;
pub mod privileges;
pub mod procfs;
pub mod recorder;
pub mod say;
pub mod sink;
pub mod socket_owners;
