//! The harness of the end-to-end tests: network namespaces, real traffic, a tracer beside it, and other tools for
//! comparison.
//!
//! A test creates a [`Netns`] (or two, joined by a [`Veth`]), starts a [`Tracer`] in it, lets two [`Actor`]s talk TCP step
//! by step, stops the tracer and compares whole lists of its output. Nothing here sleeps: every wait ends with its
//! condition, or fails at a deadline and reports what was missing. Nothing is skipped either: without root, without the
//! binary or without a command that a test calls, the test fails and says so.

mod accurate_ecn;
mod actor;
mod attached;
mod capture;
mod certificate;
mod collector;
mod console;
mod crafted;
mod device;
mod empty_programs;
mod ends;
mod exported;
mod ftrace;
mod http;
mod kernel_release;
mod least_programs;
mod lines;
mod memory;
mod netns;
mod peer;
mod picture;
mod podman;
mod process;
mod public_copy;
mod python;
mod raw;
mod raw_programs;
mod real_time;
mod records;
mod recount;
mod screen;
mod service_manager;
mod stopped;
mod tap;
mod target_folder;
mod tcpdump;
mod trace;
mod tracer;
mod traffic;
mod tshark;
mod tun;
mod unpacked;
mod verdict;
mod veth;
mod words;

pub use self::{
    accurate_ecn::{accurate_ecn_packets, assert_accurate_ecn},
    actor::{Actor, Pending, TRAFFIC_LIMIT, receive, receive_end, send},
    attached::{Attached, Runs, held_objects, kernel_objects, program_runs, tcx_programs, wait_attached},
    capture::Capture,
    certificate::Certificate,
    collector::{Collector, Posted, Reply},
    console::Console,
    crafted::{Crafted, flag_bits},
    empty_programs::EmptyPrograms,
    ends::{Connection, Ends},
    exported::{Exported, assert_same_as_records},
    ftrace::{CountedStateChanges, outside_of_process_1},
    http::http_get,
    kernel_release::kernel_release,
    least_programs::LeastPrograms,
    lines::Lines,
    memory::{kibibytes, memory},
    netns::Netns,
    peer::{ACK, FIN, Peer, RST, SYN},
    picture::{documents, ladder_svg, ladders},
    podman::Podman,
    process::{Process, close, eventually, output, process_name},
    public_copy::PublicCopy,
    python::python,
    raw::{RawSender, fragments, icmp_packet, raw_pcap, set_option, tcp_packet},
    records::{endpoint, is_type, line_of, lines_of, number, of_sender, port, text},
    recount::assert_opened,
    screen::{Screen, full_terminal},
    service_manager::ServiceManager,
    stopped::Stopped,
    tap::Tap,
    target_folder::target_folder,
    tcpdump::{Header, Tcpdump},
    trace::Trace,
    tracer::{LIMIT, Tracer, binary, start_unread, wait_tracing},
    traffic::Traffic,
    tshark::{Completeness, Stream, tshark},
    tun::{Received, Tun},
    unpacked::{Unpacked, unpacked},
    verdict::{ANY, SOME, Verdicts, assert_record, but, no_retransmissions},
    veth::Veth,
    words::verdicts,
};
