//! How TCP connections are set up and torn down, as the kernel and the wire show it: the part of `tcptrace` that needs no
//! operating system. Events and time go in, output records come out.
//!
//! Each layer imports only what stands above it in this list:
//!
//! ```text
//! text           how single values read: addresses, times, error names
//! tcp            headers, flags, options, states, sequence numbers
//! event          what was seen: state changes, segments, ICMP errors, hints, owners
//! filter         which connections are wanted
//! loss_ledger    where events are missing
//! verdict        what became of a connection: its handshake and its close
//! decode         bytes of the ring buffer, of captures and of recordings to events
//! correlate      events to connections and verdicts
//! wall_clock     boot time to wall-clock time
//! output_record  one line of output
//! describe       connections to output records
//! render         output records to text and JSON
//! ```
//!
//! Two features, both off by default: `serde` for records and events as JSON (the renderer of JSON lines, the reader of
//! recordings), and `schema` for the JSON Schema of that, which implies `serde`.
#![forbid(unsafe_code)]

pub mod correlate;
pub mod decode;
pub mod describe;
pub mod event;
pub mod filter;
pub mod loss_ledger;
pub mod output_record;
pub mod render;
pub mod tcp;
pub mod text;
pub mod verdict;
pub mod wall_clock;

/// The number of the JSON schema. Within it fields may be added, none renamed.
pub const SCHEMA: u32 = 1;
