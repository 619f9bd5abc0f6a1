//! The part of `tcptrace` that needs no operating system: it decodes, correlates and renders the set-up and tear-down of TCP
//! connections, as the kernel and the wire show them. Events and time go in, output records come out.
//!
//! Each layer imports only from those above it in this list:
//!
//! ```text
//! text           single values as text: addresses, times, error names
//! tcp            headers, flags, options, states, sequence numbers
//! event          what was seen: state changes, segments, ICMP errors, hints, owners
//! verdict        what became of a connection: its handshake and its close
//! filter         which connections the user asked for
//! loss_ledger    where events are missing
//! decode         bytes of the ring buffer, of captures and of recordings to events
//! correlate      events to connections and verdicts
//! wall_clock     boot time to wall-clock time
//! output_record  one line of output
//! describe       connections to output records
//! join           output records of several hosts to one timeline
//! render         output records to text and JSON
//! ```
//!
//! Two features, both off by default: `serde` for records and events as JSON (the renderer of JSON lines, the reader of
//! recordings), and `schema` for the JSON Schema of that, which implies `serde`.
//!
//! A handshake, from its segments to its verdict:
//!
//! ```
//! use tcptrace_core::{
//!     correlate::{Correlated, Correlator, NO_NAMESPACE},
//!     event::{BootTime, Event, Segment},
//!     tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader},
//!     verdict::Outcome,
//! };
//!
//! let (client, server) = (([192, 0, 2, 1].into(), 50000), ([192, 0, 2, 2].into(), 443));
//! let segment = |at: u64, [(from, src_port), (to, dst_port)]: [(_, u16); 2], flags, seq, ack| {
//!     let header = TcpHeader {
//!         src_port,
//!         dst_port,
//!         seq: SeqNumber(seq),
//!         ack: SeqNumber(ack),
//!         data_offset: 20,
//!         flags,
//!         window: 65535,
//!         urgent: 0,
//!         options: OptionBytes::EMPTY,
//!     };
//!     Event::Segment(Segment::new(BootTime(at), from, to, header))
//! };
//! let events = [
//!     segment(1_000_000, [client, server], TcpFlags::SYN, 100, 0),
//!     segment(1_250_000, [server, client], TcpFlags::SYN | TcpFlags::ACK, 900, 101),
//!     segment(1_300_000, [client, server], TcpFlags::ACK, 101, 901),
//! ];
//!
//! let mut verdict = None;
//! let mut emit = |correlated| {
//!     if let Correlated::Handshake(handshake) = correlated {
//!         verdict = Some(handshake);
//!     }
//! };
//! let mut correlator = Correlator::new(NO_NAMESPACE);
//! for event in &events {
//!     correlator.handle_event(event, &mut emit);
//! }
//! // Events may arrive late: `poll_timeout` says how long the correlator waits for them.
//! while let Some(timeout) = correlator.poll_timeout() {
//!     correlator.handle_timeout(timeout, &mut emit);
//! }
//! correlator.finish(BootTime(2_000_000_000), &mut emit);
//!
//! let verdict = verdict.expect("a SYN begins a handshake");
//! assert_eq!(verdict.outcome, Some(Outcome::Established));
//! assert_eq!(verdict.syn_to_synack_ns, Some(250_000));
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod correlate;
pub mod decode;
pub mod describe;
pub mod event;
pub mod filter;
pub mod join;
pub mod loss_ledger;
pub mod output_record;
pub mod render;
pub mod tcp;
pub mod text;
pub mod verdict;
pub mod wall_clock;

/// Version of the JSON schema. Within one version fields may be added, but none is renamed or removed.
pub const SCHEMA: u32 = 2;
