//! `--metrics` as the programs take it that scrape it: Prometheus and VictoriaMetrics, and Prometheus' own checks.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, Netns, Process, TRAFFIC_LIMIT, Trace, Tracer, Unpacked, eventually, http_get};
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

/// A store that scrapes a tracer.
struct Scraping {
    netns: Netns,
    tracer: Tracer,
    store: Process,
    _folder: TempDir,
}

impl Scraping {
    /// Starts both, and waits until the store answers with what happened.
    #[track_caller]
    fn start(program: &str, arguments: impl FnOnce(&Path, &Path) -> Vec<String>) -> Self {
        let netns = Netns::new();
        let tracer = traced(&netns);
        let folder = TempDir::new().expect("a folder");
        let mut command = Command::new(Unpacked::find(program).path);
        command.args(arguments(&configuration(folder.path()), &folder.path().join("data"))).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let store = netns.start(&mut command);
        let scraping = Self { netns, tracer, store, _folder: folder };
        // Braces and quotes are percent-encoded.
        for (query, wanted) in [
            ("sum(system_network_tcp_handshakes_total%7Boutcome=%22established%22%7D)", CONNECTIONS as f64),
            ("sum(system_network_tcp_handshakes_total%7Boutcome=%22refused%22%7D)", 1.0),
            ("sum(system_network_tcp_closes_total)", CONNECTIONS as f64),
            ("sum(system_network_tcp_connections)", 0.0),
            ("count(tcptrace_build_info)", 1.0),
            ("up", 1.0),
        ] {
            scraping.wait_for(query, wanted);
        }
        scraping
    }

    /// Starts Prometheus, with an option.
    #[track_caller]
    fn prometheus(option: Option<&str>) -> Self {
        Self::start("usr/bin/prometheus", |configuration, data| {
            let mut arguments = vec![
                format!("--config.file={}", configuration.display()),
                format!("--storage.tsdb.path={}", data.display()),
                format!("--web.listen-address=127.0.0.1:{STORE}"),
            ];
            arguments.extend(option.map(str::to_owned));
            arguments
        })
    }

    fn answer(&self, query: &str) -> Option<f64> {
        answer(&self.netns, query)
    }

    #[track_caller]
    fn wait_for(&self, query: &str, wanted: f64) {
        eventually(query, 2 * TRAFFIC_LIMIT, || self.answer(query) == Some(wanted));
    }

    /// Asserts that there are classic histograms of all connections.
    #[track_caller]
    fn has_classic_histograms(&self) {
        for name in ["connect", "handshake", "connection"] {
            let name = format!("system_network_tcp_{name}_duration_seconds");
            self.wait_for(&format!("sum({name}_count)"), CONNECTIONS as f64);
            self.wait_for(&format!("sum({name}_bucket%7Ble=%22%2BInf%22%7D)"), CONNECTIONS as f64);
        }
    }

    fn stop(mut self) -> Trace {
        self.store.signal(rustix::process::Signal::TERM);
        self.store.wait(LIMIT);
        let trace = self.tracer.stop();
        trace.nothing_lost();
        trace
    }
}

#[test]
fn prometheus_answers_with_what_happened() {
    let scraping = Scraping::prometheus(None);
    scraping.has_classic_histograms();
    let native = "histogram_count(sum(system_network_tcp_connection_duration_seconds))";
    assert_eq!(scraping.answer(native), None, "they are for those who ask for them");
    scraping.stop();
}

#[test]
fn prometheus_takes_native_histograms() {
    let scraping = Scraping::prometheus(Some("--enable-feature=native-histograms"));
    for name in ["connect", "handshake", "connection"] {
        let query = format!("histogram_count(sum(system_network_tcp_{name}_duration_seconds))");
        scraping.wait_for(&query, CONNECTIONS as f64);
    }
    let classic = "count(system_network_tcp_connection_duration_seconds_bucket)";
    assert_eq!(scraping.answer(classic), None, "one of both is stored");
    // They grow, as the alert rule requires.
    Ends::on(&scraping.netns, loopback(PORT)).repeat(CONNECTIONS);
    let total = 2 * CONNECTIONS;
    scraping.wait_for("histogram_count(sum(system_network_tcp_connection_duration_seconds))", total as f64);
    let rule = "histogram_quantile(0.99,sum%20by(instance)(rate(system_network_tcp_connect_duration_seconds[5m])))";
    eventually(rule, LIMIT, || scraping.answer(rule).is_some_and(|seconds| (1e-6..10.0).contains(&seconds)));
    let duration = "sum(system_network_tcp_connection_duration_seconds)";
    let answered = |function: &str| scraping.answer(&format!("{function}{duration})")).expect("a number");
    let (sum, median) = (answered("histogram_sum("), answered("histogram_quantile(0.5,"));
    let (longest, shortest) = (answered("histogram_quantile(1,"), answered("histogram_quantile(0,"));
    let trace = scraping.stop();
    let mut durations: Vec<_> =
        trace.of_type("close").iter().filter_map(|close| Some(close["duration_ns"].as_f64()? / 1e9)).collect();
    durations.sort_by(f64::total_cmp);
    assert_eq!(durations.len(), total);
    assert!((durations.iter().sum::<f64>() - sum).abs() < 1e-9, "{sum}: {durations:?}");
    // From one bound of a bucket to the next.
    let factor = 2_f64.powf(0.125);
    let near = |quantile: f64, exact: f64| exact / factor <= quantile && quantile <= exact * factor;
    assert!(
        near(shortest, durations[0]) && near(median, durations[total / 2 - 1]),
        "{shortest} {median} {durations:?}"
    );
    assert!(near(longest, durations[total - 1]), "{longest} {durations:?}");
}

#[test]
fn victoria_metrics_answers_with_what_happened() {
    let scraping = Scraping::start("usr/bin/victoria-metrics", |configuration, data| {
        vec![
            format!("-promscrape.config={}", configuration.display()),
            format!("-storageDataPath={}", data.display()),
            format!("-httpListenAddr=127.0.0.1:{STORE}"),
            // It hides the last half minute otherwise.
            "-search.latencyOffset=1s".to_owned(),
        ]
    });
    scraping.has_classic_histograms();
    scraping.stop();
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
