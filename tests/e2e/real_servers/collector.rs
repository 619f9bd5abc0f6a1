//! `--otlp` with a real collector, rotel: it passes everything that it has understood on to another one.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{
    Collector, Ends, Exported, LIMIT, Netns, Process, Reply, TRAFFIC_LIMIT, Tracer, assert_same_as_records, binary,
    eventually, target_folder,
};

const PORT: u16 = 4983;

/// Starts rotel, which accepts requests at the returned address and passes everything on to `to`.
#[track_caller]
fn rotel(netns: &Netns, to: &Collector) -> (Process, SocketAddr) {
    let path = target_folder().join("rotel/rotel/rotel-agent");
    assert!(path.is_file(), "{} is not there: run `cargo xtask test`", path.display());
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a free port");
    let (http, grpc) = netns.run(|| (free(), free()));
    let mut command = Command::new(path);
    command.args(["start", "--log-file", "/dev/null", "--pid-file", "/dev/null"]);
    command.args(["--otlp-http-endpoint", &http.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()]);
    command.args(["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", &to.url()]);
    let process = netns.start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    let filter = format!("sport = :{}", http.port());
    eventually("rotel listens", LIMIT, || !netns.output(Command::new("ss").args(["-Hltn", &filter])).is_empty());
    (process, http)
}

/// Traces seven connections that close in order, and one that is refused; `setting` is a variable of the environment. Returns
/// what rotel has understood of them.
#[track_caller]
fn understood(setting: Option<(&str, &str)>) -> Exported {
    let netns = Netns::new();
    let behind = Collector::in_netns(&netns, |_, _| Reply::ok());
    let (_rotel, address) = rotel(&netns, &behind);
    let mut command = Command::new(binary());
    command.args(["--json", "--netns", "own", "-p", &PORT.to_string(), "--otlp", &format!("http://{address}")]);
    let tracer = Tracer::start_command(&netns, command.envs(setting));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let ends = Ends::on(&netns, at);
    ends.repeat(7);
    drop(ends);
    netns.run(|| std::net::TcpStream::connect(at).expect_err("nobody listens any more"));
    eventually("all spans", TRAFFIC_LIMIT, || behind.exported().spans.len() == 15);
    let trace = tracer.stop();
    assert!(!trace.log.iter().any(|line| line.contains("exported to")), "{:#?}", trace.log);
    eventually("the metrics of the end", TRAFFIC_LIMIT, || !behind.exported().metrics.is_empty());
    // The collector makes batches of its own of each.
    eventually("the log record of the refusal", TRAFFIC_LIMIT, || behind.exported().logs.len() == 1);
    let exported = behind.exported();
    assert_same_as_records(&exported, &trace.records);
    exported
}

#[test]
fn it_understands_spans_log_records_and_metrics() {
    let exported = understood(None);
    let handshakes = |outcome| exported.sum("system.network.tcp.handshakes", &[("outcome", outcome)]);
    assert_eq!((handshakes("established"), handshakes("refused")), (7.0, 1.0));
    assert_eq!(exported.sum("system.network.tcp.connect.duration", &[]), 7.0);
}

#[test]
fn it_understands_exponential_histograms() {
    let aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let exported = understood(Some((aggregation, "base2_exponential_bucket_histogram")));
    for histogram in ["connect", "handshake", "connection"] {
        let name = format!("system.network.tcp.{histogram}.duration");
        let metric = exported.metrics.iter().find(|metric| metric["name"] == name).expect("a histogram");
        let point = &metric["points"][0];
        let buckets = point["buckets"].as_array().expect("buckets").iter().filter_map(Value::as_u64);
        assert_eq!((point["scale"].as_i64(), buckets.sum()), (Some(3), 7), "{metric}");
        assert_eq!(exported.sum(&name, &[]), 7.0, "{name}");
    }
}
