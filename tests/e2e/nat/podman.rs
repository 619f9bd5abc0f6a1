//! A container of Podman behind a published port: the records of its connections name it, and report that it was killed.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::{Value, json};
use tcptrace_tests::{Netns, Podman, Tracer, binary, is_type, output, port, receive_end};

use super::node::{assert_tied, wait_closed};

/// The port in the container, and the one published on loopback.
const INSIDE: u16 = 80;
const PUBLISHED: u16 = 4924;

/// Name of the container.
const NAME: &str = "tt-web";

#[test]
fn a_container_of_podman_is_named_and_says_that_it_was_killed() {
    let netns = Netns::new();
    let podman = Podman::new(&netns);
    let mut command = podman.inside(&binary());
    command.args(["--json", "-p", &format!("{INSIDE},{PUBLISHED}")]);
    let tracer = Tracer::start_command(&netns, &mut command);
    let published = format!("{}:{PUBLISHED}:{INSIDE}", Ipv4Addr::LOCALHOST);
    let id = podman.serve(INSIDE, &["--name", NAME, "--publish", &published]);
    let listens = |record: &Value| record["new"] == "LISTEN" && port(record, "local") == Some(INSIDE);
    tracer.wait_for("a server", |record| is_type(record, "state") && listens(record));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PUBLISHED));
    let stream = netns.run(|| TcpStream::connect(at)).expect("the port is published");
    let established = |record: &&Value| is_type(record, "handshake") && record["outcome"] == "established";
    tracer.wait_until("both sides", |records| records.iter().filter(established).count() == 2);
    output(&mut podman.podman(&["kill", NAME]));
    receive_end(&stream);
    drop(stream);
    wait_closed(&tracer, 2);
    let trace = tracer.stop();

    let mut closes = trace.of_type("close");
    closes.sort_by_key(|close| close["conn"].as_u64());
    assert_tied(&closes, &trace);
    let [published, inside] = closes[..] else { panic!("two sides: {:#?}", trace.records) };
    assert_eq!((port(published, "server"), port(inside, "server")), (Some(PUBLISHED), Some(INSIDE)));
    let client = json!(std::process::id());
    assert_eq!((&published["client"]["pid"], &published["client"]["container"]), (&client, &Value::Null));
    let server = &inside["server"];
    let container = &server["container"];
    let named = [&container["id"], &container["name"], &container["runtime"], &server["comm"]];
    assert_eq!(named, [&json!(id), &json!(NAME), &json!("podman"), &json!("busybox")], "{inside}");
    assert_eq!((&inside["initiator"], &server["exit"]["signal"]), (&json!("server"), &json!(9)), "{inside}");
    trace.nothing_lost();
}
