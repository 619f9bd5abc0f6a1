//! `--otlp`: the export of real connections to a collector.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use socket2::SockRef;
use tcptrace_tests::{
    Certificate, Collector, Ends, LIMIT, Netns, Reply, TRAFFIC_LIMIT, Trace, Tracer, assert_same_as_records, binary,
    eventually, is_type, send,
};

const PORT: u16 = 4982;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Opens seven connections that close in order, and one that is refused.
fn talk(netns: &Netns) {
    let ends = Ends::on(netns, loopback(PORT));
    ends.repeat(7);
    drop(ends);
    netns.run(|| TcpStream::connect(loopback(PORT)).expect_err("nobody listens any more"));
}

/// Stops a tracer whose collector accepts nothing, which it does not wait for.
#[track_caller]
fn stopped(tracer: Tracer) -> Trace {
    tracer.signal(Signal::INT);
    tracer.exited()
}

#[test]
fn spans_log_records_and_metrics_equal_the_records() {
    let netns = Netns::new();
    let collector = Collector::in_netns(&netns, |_, _| Reply::ok());
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--otlp", &collector.url()]);
    talk(&netns);
    // They arrive before the end of the trace.
    eventually("all spans", TRAFFIC_LIMIT, || collector.exported().spans.len() == 15);
    let trace = tracer.stop();
    trace.nothing_lost();
    let exported = collector.exported();
    assert_same_as_records(&exported, &trace.records);
    assert_eq!((exported.spans.len(), exported.logs.len()), (15, 1));
    for item in exported.spans.iter().chain(&exported.logs) {
        assert_eq!(item["resource"]["service.instance.id"], trace.start()["run"], "{item}");
        assert_eq!(item["resource"]["host.name"], trace.start()["hostname"], "{item}");
    }
    let (handshakes, both) = ("system.network.tcp.handshakes", ("network.tcp.handshake.role", "both"));
    assert_eq!(exported.sum(handshakes, &[both, ("outcome", "established"), ("kind", "three_way")]), 7.0);
    let refused = [("outcome", "refused"), ("network.tcp.reset.cause", "no_listener")];
    assert_eq!(exported.sum(handshakes, &refused), 1.0);
    assert_eq!(exported.sum("system.network.tcp.closes", &[both]), 7.0);
    for histogram in ["connect", "handshake", "connection"] {
        let name = format!("system.network.tcp.{histogram}.duration");
        assert_eq!(exported.sum(&name, &[both]), 7.0, "{name}");
    }
    assert!(exported.sum("process.cpu.time", &[]) > 0.0);
}

/// The handshake of one connection, and the data of another.
#[test]
fn what_this_host_drops_is_exported() {
    let netns = Netns::new();
    let collector = Collector::in_netns(&netns, |_, _| Reply::ok());
    let ends = Ends::on(&netns, loopback(PORT));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--otlp", &collector.url()]);
    let connection = ends.open();
    netns.sysctl("ipv4/tcp_syn_retries", "1");
    netns.nft(&format!("table ip t {{ chain c {{ type filter hook input priority 0; tcp dport {PORT} drop; }}; }}"));
    let patience = Some(Duration::from_secs(2));
    SockRef::from(&connection.client).set_tcp_user_timeout(patience).expect("a socket has that option");
    send(&connection.client, 100);
    ends.client.connect_with(loopback(PORT), |_| {}).expect_err("nothing arrives");
    let at = connection.client_address().port();
    eventually("the client's time-out", LIMIT, || ends.client.socket_state(at, PORT).is_none());
    let trace = tracer.stop();
    let exported = collector.exported();
    assert_same_as_records(&exported, &trace.records);
    for (name, log, sender) in [
        ("TCP connection", "tcptrace.connection.failed", Some("client")),
        ("TCP handshake", "tcptrace.handshake.failed", None),
    ] {
        let of = |item: &&Value| item["name"] == name && item["status"]["code"] == 2 || item["event"] == log;
        let items: Vec<_> = exported.spans.iter().chain(&exported.logs).filter(of).collect();
        assert_eq!(items.len(), 2, "{exported:#?}");
        for item in items {
            let field = if sender.is_some() { "dropped_segments" } else { "dropped" };
            let attribute = |part: &str| &item["attributes"][&format!("tcptrace.{field}.{part}")];
            assert_eq!(attribute("reason"), "NETFILTER_DROP", "{item}");
            assert!(attribute("segments").as_u64() >= Some(2), "{item}");
            assert_eq!(attribute("sender").as_str(), sender, "{item}");
        }
    }
    let stall = |log: &&Value| log["event"] == "tcptrace.connection.stalled";
    let of_syn = |log: &Value| log["attributes"]["tcptrace.dropped.reason"] == "NETFILTER_DROP";
    assert!(exported.logs.iter().filter(stall).any(of_syn), "{:#?}", exported.logs);
}

#[test]
fn its_own_connections_are_shown_and_not_exported() {
    let netns = Netns::new();
    // Each request uses another connection.
    let closing = "Connection: close\r\n";
    let collector = Collector::in_netns(&netns, move |_, _| Reply::Status(200, closing, Vec::new()));
    let tracer = Tracer::start(&netns, &["--otlp", &collector.url(), "--netns", "own"]);
    talk(&netns);
    eventually("all spans", TRAFFIC_LIMIT, || collector.exported().spans.len() >= 15);
    let trace = tracer.stop();
    let of_exporter = |record: &&Value| record["server"]["port"] == collector.address.port();
    let own = trace.records.iter().filter(|record| is_type(record, "handshake")).filter(of_exporter).count();
    assert!(own > 0, "they are shown");
    let others: Vec<_> = trace.records.iter().filter(|record| !of_exporter(record)).cloned().collect();
    assert_same_as_records(&collector.exported(), &others);
}

#[test]
fn a_collector_that_is_away_delays_nothing_and_is_said() {
    let netns = Netns::new();
    let free = netns.run(|| TcpListener::bind(loopback(0)).and_then(|free| free.local_addr())).expect("a free port");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--otlp", &format!("http://{free}")]);
    talk(&netns);
    tracer.wait_until("all closes", |records| records.iter().filter(|record| is_type(record, "close")).count() == 7);
    let trace = stopped(tracer);
    trace.nothing_lost();
    assert!(trace.status.success());
    let said = |words: &str| trace.log.iter().any(|line| line.contains(words));
    assert!(said("nothing is exported to http://127.0.0.1:") && said("it cannot be reached"), "{:#?}", trace.log);
    assert!(said("15 spans, 1 log record and 1 export of metrics not delivered in time"), "{:#?}", trace.log);
}

#[test]
fn a_collector_that_never_answers_is_not_waited_for() {
    let netns = Netns::new();
    let collector = Collector::in_netns(&netns, |_, _| Reply::Silence);
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--otlp", &collector.url()]);
    talk(&netns);
    eventually("a request", TRAFFIC_LIMIT, || !collector.requests().is_empty());
    let trace = stopped(tracer);
    trace.nothing_lost();
    assert!(trace.status.success());
    assert!(trace.log.iter().any(|line| line.contains("not delivered in time")), "{:#?}", trace.log);
}

#[test]
fn a_collector_that_proves_to_be_another_gets_nothing() {
    let netns = Netns::new();
    let collector = netns.run(|| Collector::with_tls(&Certificate::make()));
    let other = Certificate::make();
    let mut command = Command::new(binary());
    command.args(["--json", "--netns", "own", "-p", &PORT.to_string(), "--otlp", &collector.url()]);
    command.env("OTEL_EXPORTER_OTLP_CERTIFICATE", other.path());
    let tracer = Tracer::start_command(&netns, &mut command);
    talk(&netns);
    tracer.wait_log("the reason", |line| line.contains("TLS with it fails") && line.contains("certificate"));
    let trace = stopped(tracer);
    trace.nothing_lost();
    assert!(collector.requests().is_empty());
}
