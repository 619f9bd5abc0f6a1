//! Neither a flood of SYNs nor millions of connections fill the tracer's memory or displace real connections.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{
    Connection, Ends, LIMIT, Netns, RawSender, SYN, Tracer, Veth, binary, memory, number, start_unread, tcp_packet,
    text,
};

/// Maximum number of connections remembered, and the number of SYNs from forged addresses.
const REMEMBERED: u64 = 8_000;
const SYNS: u32 = 100_000;

/// Upper bound (KiB) on the peak memory of a tracer with so small a table: the program, a ring buffer of 32 MiB that
/// is mapped twice, and a margin.
const ENOUGH_KIB: u64 = 112 << 10;

/// Number of connections opened and closed in all; the number that certainly fills the table of ended connections (40,960 by
/// default); and the maximum growth of memory between these two, in KiB.
const MANY: u64 = 500_000;
const FILLED: u64 = 130_000;
const FLAT_KIB: u64 = 16 << 10;

/// The field of [`memory`] for the peak memory use of a process.
const PEAK: &str = "VmHWM";

/// Opens and closes connections for this time; returns their number.
fn churn(netns: &Netns, seconds: u32) -> u64 {
    let mut load = Command::new(env!("CARGO_BIN_EXE_tt-load"));
    let said = netns.output(load.args(["connections", &seconds.to_string(), "together"]));
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    number(&said, "count")
}

#[test]
fn memory_stays_flat_over_half_a_million_connections() {
    let netns = Netns::alone();
    let mut command = Command::new(binary());
    // A small ring, which has been full once after the first connections.
    command.args(["--json", "--ring-buffer", "1MiB"]);
    let (mut tracer, log) = start_unread(&netns, &mut command);
    let (mut connections, mut first) = (0, None);
    while connections < MANY {
        connections += churn(&netns, 4);
        if connections >= FILLED {
            first.get_or_insert_with(|| memory(tracer.id(), PEAK));
        }
    }
    let (first, last) = (first.expect("they were many"), memory(tracer.id(), PEAK));
    tracer.signal(Signal::INT);
    assert!(tracer.wait(LIMIT).success());
    let summary = log.finish().pop().unwrap_or_default();
    let before = |words| -> u64 {
        let number = summary.split_once(words).and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no{words}: {summary}"))
    };
    // On a busy machine the small ring loses events, and whoever has lost the end of a connection remembers it as open, in less
    // than a KiB.
    let kept = before(" still open").min(before(" lost"));
    assert!(
        last <= first + FLAT_KIB + kept,
        "from {first} KiB to {last} KiB over {connections} connections: {summary}"
    );
}

#[test]
fn a_flood_of_syns_fills_no_memory_and_real_connections_stay() {
    const PORT: u16 = 4371;
    let attacker = Netns::alone();
    let server = attacker.another();
    let veth = Veth::between(&attacker, &server, 0);
    // The route to everybody leads through the attacker, which drops segments for other addresses.
    let IpAddr::V4(via) = veth.left_v4(0).ip() else { panic!("an IPv4 address") };
    server.ip(&["route", "add", "default", "via", &via.to_string()]);
    let ends = Ends::between(&attacker, &server, veth.right_v4(PORT));
    let remembered = REMEMBERED.to_string();
    // The ring holds the whole flood, should it be faster than the tracer. Of the flood itself nothing is written: what waits
    // for a reader that is slower still, this test, would count as memory, too.
    let arguments =
        ["-p", "4371", "--emit", "handshake,close", "--only", "four_segment", "--max-connections", &remembered];
    let tracer = Tracer::start(&server, &[arguments.as_slice(), &["--ring-buffer", "32MiB"]].concat());
    let before = ends.open();
    let sender = RawSender::new(&attacker);
    let flood = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            // Scattered over the addresses of 11.0.0.0/8, and over ports that no client is given.
            let scattered = number.wrapping_mul(2_654_435_761);
            let from = Ipv4Addr::from_bits(0x0b00_0000 | scattered >> 8);
            let from = SocketAddr::from((from, 1024 + (scattered % 30_000) as u16));
            let packet = tcp_packet(from, ends.address, SYN, (number, 0), &[], &[]);
            sender.send(&packet, ends.address.ip());
        }
    };
    flood(0..SYNS / 2);
    let during = ends.open();
    flood(SYNS / 2..SYNS);
    let clients = [&before, &during].map(Connection::client_address);
    for connection in [before, during] {
        ends.close_in_four(connection);
    }
    for client in clients {
        tracer.wait_for("the close of a real connection", |record| {
            text(record, "type") == "close"
                && number(&record["client"], "port") == u64::from(client.port())
                && number(record, "netns") == u64::from(server.inode())
        });
    }
    let peak = memory(tracer.id(), PEAK);
    let trace = tracer.stop();
    trace.nothing_lost();
    assert!(peak < ENOUGH_KIB, "{peak} KiB");
    let end = trace.end();
    let [connections, open, evicted] = ["connections", "open", "evicted"].map(|field| number(end, field));
    assert!(connections >= u64::from(SYNS) && evicted > u64::from(SYNS) / 2, "{end}");
    assert!(open <= REMEMBERED / 8, "{end}");
    for client in clients {
        let of_client = |kind| {
            let records = trace.of_type(kind).into_iter();
            let mut records = records.filter(|record| number(&record["client"], "port") == u64::from(client.port()));
            let record = records.find(|record| number(record, "netns") == u64::from(server.inode()));
            record.unwrap_or_else(|| panic!("no {kind} of {client}"))
        };
        let (handshake, close) = (of_client("handshake"), of_client("close"));
        assert_eq!(
            (text(handshake, "outcome"), &handshake["incomplete"]),
            ("established", &false.into()),
            "{handshake}"
        );
        assert_eq!((text(close, "kind"), &close["incomplete"]), ("four_segment", &false.into()), "{close}");
    }
}
