//! `--metrics`: a scraper's view of real connections.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use tcptrace_tests::{Ends, Netns, TRAFFIC_LIMIT, Tracer, binary, eventually, http_get, is_type};

const PORT: u16 = 4981;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Starts a tracer that serves metrics; returns their address, too.
fn start(netns: &Netns, arguments: &[&str]) -> (Tracer, SocketAddr) {
    let port = netns.run(|| TcpListener::bind(loopback(0)).and_then(|free| free.local_addr())).expect("a free port");
    let tracer =
        Tracer::start(netns, &[&["-p", &PORT.to_string(), "--metrics", &port.port().to_string()], arguments].concat());
    (tracer, port)
}

/// Returns the series that are not 0.
fn scrape(netns: &Netns, address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = http_get(netns, address, "/metrics", "text/plain");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a header");
    let series = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().unwrap_or_else(|_| panic!("a number in {line}"))))
    });
    series.filter(|&(_, value)| value != 0.0).collect()
}

/// Returns the sum of the series of a metric whose labels include all of these.
fn sum(series: &BTreeMap<String, f64>, metric: &str, labels: &[&str]) -> f64 {
    let chosen = |name: &&String| {
        let rest = name.strip_prefix(metric);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('{') && labels.iter().all(|label| rest.contains(label))
        })
    };
    series.iter().filter(|(name, _)| chosen(name)).map(|(_, value)| value).sum()
}

#[test]
fn what_is_counted_is_what_happened() {
    let netns = Netns::new();
    // Everything is counted, although only failures are shown.
    let (tracer, address) = start(&netns, &["--only", "refused", "--emit", "handshake"]);
    let ends = Ends::on(&netns, loopback(PORT));
    ends.repeat(7);
    drop(ends);
    netns.run(|| TcpStream::connect(loopback(PORT)).expect_err("nobody listens any more"));
    let (handshakes, closes) = ("system_network_tcp_handshakes_total", "system_network_tcp_closes_total");
    let mut series = BTreeMap::new();
    eventually("all are counted", TRAFFIC_LIMIT, || {
        series = scrape(&netns, address);
        sum(&series, handshakes, &[]) == 8.0 && sum(&series, closes, &[]) == 7.0
    });
    let both = r#"network_tcp_handshake_role="both""#;
    assert_eq!(
        sum(&series, handshakes, &[both, r#"outcome="established""#, r#"kind="three_way""#]),
        7.0,
        "{series:#?}"
    );
    let refused = [r#"network_tcp_handshake_role="client""#, r#"outcome="refused""#, r#"cause="no_listener""#];
    assert_eq!(sum(&series, handshakes, &refused), 1.0, "{series:#?}");
    assert_eq!(sum(&series, handshakes, &[r#"process="e2e-"#]), 8.0, "{series:#?}");
    for (metric, least) in [("connect", 1e-6), ("handshake", 1e-6), ("connection", 1e-6)] {
        let name = format!("system_network_tcp_{metric}_duration_seconds");
        assert_eq!(sum(&series, &format!("{name}_count"), &[both]), 7.0, "{name}");
        assert_eq!(sum(&series, &format!("{name}_bucket"), &[both, r#"le="+Inf""#]), 7.0, "{name}");
        let seconds = sum(&series, &format!("{name}_sum"), &[both]);
        assert!((least..60.0).contains(&seconds), "{name} {seconds}");
    }
    assert!(sum(&series, "process_cpu_seconds_total", &[]) > 0.0);
    let trace = tracer.stop();
    assert_eq!(trace.records.iter().filter(|record| is_type(record, "handshake")).count(), 1);
}

#[test]
fn nothing_but_metrics_is_answered_and_each_in_its_format() {
    let netns = Netns::new();
    let (_tracer, address) = start(&netns, &[]);
    assert!(http_get(&netns, address, "/", "*/*").starts_with("HTTP/1.1 404 "));
    let open_metrics = http_get(&netns, address, "/metrics", "application/openmetrics-text; version=1.0.0");
    assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
}

#[test]
fn an_address_in_use_ends_it_before_anything_is_traced() {
    let netns = Netns::new();
    let taken = netns.run(|| TcpListener::bind(loopback(0))).expect("a free port");
    let address = taken.local_addr().expect("a bound socket").to_string();
    let output = netns.run(|| Command::new(binary()).args(["--metrics", &address]).output()).expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains(&format!("cannot listen on {address} for --metrics")), "{message}");
    assert!(output.stdout.is_empty());
}
