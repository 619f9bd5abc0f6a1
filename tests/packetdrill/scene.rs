//! One script, acted out: the tracer and tcpdump beside packetdrill, in a network namespace of their own.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tcptrace_tests::{Capture, Lines, Netns, Tracer, binary, is_type, output};

use crate::{checkout::Checkout, family::Family};

/// Maximum duration of a script; most take a few seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// The port of a connection attempt that marks the end of the capture; no script uses it.
pub(crate) const MARK: u16 = 9;

/// The verdicts on one script.
pub(crate) struct Scene {
    /// The tracer's records of the namespace, made while the script ran.
    pub(crate) live: Vec<Value>,
    /// The records made from the capture.
    pub(crate) captured: Vec<Value>,
    /// The error of packetdrill if the script failed: the kernel then behaved differently from the script, but live trace
    /// and capture must still agree.
    pub(crate) failure: Option<String>,
}

/// Acts out a script.
#[track_caller]
pub(crate) fn act(checkout: &Checkout, script: &Path, family: Family, capture: &Path) -> Scene {
    let netns = Netns::new();
    // packetdrill creates its device when it starts, and removes it when it ends.
    let capturing = Capture::start(&netns, "any", "tcp or icmp or icmp6", capture);
    let tracer = Tracer::start(&netns, &["--segments", "all"]);
    let mut command = Command::new(checkout.program());
    command.args(family.arguments());
    // Scripts name their helpers relative to their own folder.
    command.current_dir(script.parent().expect("a script lies in a folder")).arg(script);
    let mut packetdrill = netns.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let log = [Lines::read(packetdrill.stdout(), |line| line), Lines::read(packetdrill.stderr(), |line| line)];
    let passed = packetdrill.wait(LIMIT).success();
    let log: Vec<String> = log.into_iter().flat_map(Lines::finish).collect();
    let trace = tracer.stop();
    // tcpdump has read all earlier segments once it has read this one; the number of segments is unknown, since a script may
    // have the device drop segments that the tracer has seen.
    let refused = netns.run(|| TcpStream::connect((Ipv4Addr::LOCALHOST, MARK)).is_err());
    assert!(refused, "somebody listens on port {MARK} of a namespace that has just been made");
    let mark = format!("127.0.0.1.{MARK} > ");
    capturing.finish_when("the last mark", |segments| segments.iter().any(|segment| segment.contains(&mark)));

    let captured = output(Command::new(binary()).arg("--json").arg("-r").arg(capture));
    let captured = captured.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let here = |record: &Value| record["netns"].is_null() || record["netns"] == netns.inode();
    let live = trace.records.into_iter().filter(|record| here(record) || is_type(record, "lost")).collect();
    let failure = (!passed).then(|| log.last().cloned().unwrap_or_else(|| "it said nothing".to_owned()));
    Scene { live, captured, failure }
}
