//! `--metrics` as the programs take it that scrape it: Prometheus and VictoriaMetrics, and Prometheus' own checks.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, Netns, TRAFFIC_LIMIT, Tracer, Unpacked, eventually, http_get};
use tempfile::TempDir;

/// Port of the connections that are counted.
const PORT: u16 = 4985;

/// Ports on which metrics are served, and the stores listen.
const METRICS: u16 = 4986;
const STORE: u16 = 4987;

/// Connections that are established, and closed.
const CONNECTIONS: usize = 7;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A tracer that has counted connections, and one that was refused.
fn traced(netns: &Netns) -> Tracer {
    let tracer = Tracer::start(netns, &["-p", &PORT.to_string(), "--metrics", &METRICS.to_string()]);
    let ends = Ends::on(netns, loopback(PORT));
    ends.repeat(CONNECTIONS);
    drop(ends);
    netns.run(|| TcpStream::connect(loopback(PORT)).expect_err("nobody listens any more"));
    tracer
}

/// Writes a configuration that scrapes the tracer.
fn configuration(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("scrape.yml");
    let text = format!(
        "scrape_configs:\n- job_name: tcptrace\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  \
         - targets: ['127.0.0.1:{METRICS}']\n"
    );
    fs::write(&path, text).expect("it can be written");
    path
}

/// Returns a store's answer to a query in PromQL, if it is a number.
fn answer(netns: &Netns, query: &str) -> Option<f64> {
    netns.run(|| TcpStream::connect(loopback(STORE))).ok()?;
    let answer = http_get(netns, loopback(STORE), &format!("/api/v1/query?query={query}"), "application/json");
    let (_, body) = answer.split_once("\r\n\r\n")?;
    // Either may send it in chunks.
    let json = body.get(body.find('{')?..=body.rfind('}')?)?;
    let answer: Value = serde_json::from_str(json).ok()?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

/// Starts a store, and waits until it answers with what happened.
fn scrapes(program: &str, arguments: impl FnOnce(&Path, &Path) -> Vec<String>) {
    let netns = Netns::new();
    let tracer = traced(&netns);
    let folder = TempDir::new().expect("a folder");
    let store = Unpacked::find(program);
    let mut command = Command::new(&store.path);
    command.args(arguments(&configuration(folder.path()), &folder.path().join("data"))).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = netns.start(&mut command);
    // Braces and quotes are percent-encoded.
    for (query, wanted) in [
        ("sum(system_network_tcp_handshakes_total%7Boutcome=%22established%22%7D)", CONNECTIONS as f64),
        ("sum(system_network_tcp_handshakes_total%7Boutcome=%22refused%22%7D)", 1.0),
        ("sum(system_network_tcp_closes_total)", CONNECTIONS as f64),
        ("sum(system_network_tcp_connection_duration_seconds_count)", CONNECTIONS as f64),
        ("sum(system_network_tcp_connections)", 0.0),
        ("up", 1.0),
    ] {
        eventually(query, 2 * TRAFFIC_LIMIT, || answer(&netns, query) == Some(wanted));
    }
    process.signal(rustix::process::Signal::TERM);
    process.wait(LIMIT);
    tracer.stop().nothing_lost();
}

#[test]
fn prometheus_answers_with_what_happened() {
    scrapes("usr/bin/prometheus", |configuration, data| {
        vec![
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{STORE}"),
        ]
    });
}

#[test]
fn victoria_metrics_answers_with_what_happened() {
    scrapes("usr/bin/victoria-metrics", |configuration, data| {
        vec![
            format!("-promscrape.config={}", configuration.display()),
            format!("-storageDataPath={}", data.display()),
            format!("-httpListenAddr=127.0.0.1:{STORE}"),
            // It hides the last half minute otherwise.
            "-search.latencyOffset=1s".to_owned(),
        ]
    });
}

/// Runs promtool with a text on stdin; returns its exit status and everything that it says.
fn promtool(arguments: &[&str], folder: &Path, input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(Unpacked::find("usr/bin/promtool").path);
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it can be run");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it is read");
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn promtool_finds_nothing() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let (code, said) = promtool(&["check", "rules", "alerts.yml"], &docs, "");
    assert!(code == Some(0) && said.contains("SUCCESS: 10 rules found"), "{said}");
    let (code, said) = promtool(&["test", "rules", "alerts.test.yml"], &docs, "");
    assert!(code == Some(0) && said.contains("SUCCESS"), "{said}");

    let netns = Netns::new();
    let tracer = traced(&netns);
    let mut answer = String::new();
    eventually("what happened is counted", LIMIT, || {
        answer = http_get(&netns, loopback(METRICS), "/metrics", "text/plain");
        answer.contains("system_network_tcp_handshakes_total{")
    });
    let (_, metrics) = answer.split_once("\r\n\r\n").expect("a header");
    assert_eq!(promtool(&["check", "metrics"], &docs, metrics), (Some(0), String::new()));
    tracer.stop().nothing_lost();
}
