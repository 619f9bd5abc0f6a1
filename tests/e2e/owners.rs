//! Look-ups of the processes that hold sockets for which no event names one.

mod scans;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tcptrace_tests::{
    Actor, Connection, Ends, Netns, Tracer, binary, close, endpoint, is_type, kernel_release, output, port,
    process_name, receive, text,
};

use crate::scenarios::{
    shapes::listeners::{served, worker},
    wait_verdicts,
};

/// No bytes up, one byte down as soon as the connection is accepted, and the client resets it.
const REQUEST: &[u8] = b"\0\0\0\0\0\0\0\x01r";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn start(netns: &Netns, port: u16) -> Tracer {
    Tracer::start(netns, &["-p", &port.to_string()])
}

fn listen(netns: &Netns, port: u16) -> TcpListener {
    netns.run(|| TcpListener::bind(loopback(port))).expect("a free port")
}

/// Opens a connection that a worker accepts.
fn open(client: &Actor, to: SocketAddr) -> TcpStream {
    let stream = client.connect(to);
    std::io::Write::write_all(&mut &stream, REQUEST).expect("a request can be sent");
    receive(&stream, 1);
    stream
}

fn reset(client: &Actor, stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    client.close(stream);
}

fn is_owner_of_listener(record: &Value, of: u16) -> bool {
    is_type(record, "owner") && record["conn"].is_null() && port(record, "local") == Some(of)
}

fn is_owner_of_server(record: &Value, of: u16) -> bool {
    is_type(record, "owner") && record["conn"] == 1 && port(record, "local") == Some(of)
}

/// Returns process and name of an end.
fn process<'a>(record: &'a Value, end: &str) -> [&'a Value; 2] {
    ["pid", "comm"].map(|field| &record[end][field])
}

#[test]
fn of_workers_with_one_listener_the_one_that_accepted_is_found_while_the_connection_lives() {
    const PORT: u16 = 4951;
    let netns = Netns::new();
    // This process holds the listener, too, like a parent of worker processes.
    let listener = listen(&netns, PORT);
    let workers: Vec<_> = (0..2).map(|_| worker(&netns, &listener)).collect();
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, PORT);
    tracer.wait_for("who listens", |record| is_owner_of_listener(record, PORT));
    let stream = open(&client, loopback(PORT));
    tracer.wait_for("who has accepted", |record| is_owner_of_server(record, PORT));
    let address = stream.local_addr().expect("a connected socket has an address");
    reset(&client, stream);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let worker =
        served(workers, 1).into_iter().find(|(_, clients)| clients.contains(&address)).expect("it was served").0;

    let owners = trace.of_type("owner");
    let [shared, accepted] = owners[..] else { panic!("two owners: {owners:#?}") };
    assert_eq!((&shared["pid"], &shared["source"]), (&Value::Null, &json!("sock_diag")), "three hold it: {shared}");
    let expected = [&json!("sock_diag"), &json!(worker), &json!("tt-traffic")];
    assert_eq!(["source", "pid", "comm"].map(|field| &accepted[field]), expected, "{accepted}");
    assert_eq!(endpoint(accepted, "remote"), Some(address), "{accepted}");
    let verdicts = trace.only_verdicts(&netns);
    assert_eq!(process(verdicts.handshake, "server"), [&Value::Null, &Value::Null], "{}", verdicts.handshake);
    let close = verdicts.close.expect("a close");
    assert_eq!((text(close, "kind"), text(close, "initiator")), ("reset", "client"), "{close}");
    // The kernel closed its socket, outside of any process's context.
    assert_eq!(process(close, "server"), [&json!(worker), &json!("tt-traffic")], "{close}");
    assert_eq!(process(close, "client"), [&json!(std::process::id()), &json!(process_name())], "{close}");
}

#[test]
fn the_only_worker_that_holds_a_listener_stands_for_who_accepts() {
    const PORT: u16 = 4952;
    let netns = Netns::new();
    let listener = listen(&netns, PORT);
    let worker = worker(&netns, &listener);
    close(listener);
    let pid = worker.id();
    let client = Actor::new(&netns, "tt-client");
    let tracer = start(&netns, PORT);
    tracer.wait_for("who listens", |record| is_owner_of_listener(record, PORT) && record["pid"] == pid);
    let stream = open(&client, loopback(PORT));
    reset(&client, stream);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let verdicts = trace.only_verdicts(&netns);
    for record in [verdicts.handshake, verdicts.close.expect("a close")] {
        assert_eq!(process(record, "server"), [&json!(pid), &json!("tt-traffic")], "{record}");
    }
    let sources: Vec<_> = trace.of_type("owner").iter().map(|owner| &owner["source"]).collect();
    assert_eq!(sources, ["sock_diag", "listener"]);
}

#[test]
fn both_processes_of_a_connection_from_before_are_known_without_an_event_of_theirs() {
    const PORT: u16 = 4953;
    let netns = Netns::new();
    let listener = listen(&netns, PORT);
    let worker = worker(&netns, &listener);
    let client = Actor::new(&netns, "tt-client");
    let stream = open(&client, loopback(PORT));
    let tracer = start(&netns, PORT);
    // They are known by then, and reported with the connection's first event.
    tracer.wait_for("what is open", |record| is_type(record, "existing"));
    reset(&client, stream);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    close(listener);
    let verdicts = trace.only_verdicts(&netns);
    assert_eq!(verdicts.handshake["kind"], "unseen", "{}", verdicts.handshake);
    let close = verdicts.close.expect("a close");
    for record in [verdicts.handshake, close] {
        assert_eq!(record["client"]["pid"], std::process::id(), "{record}");
        assert_eq!(process(record, "server"), [&json!(worker.id()), &json!("tt-traffic")], "{record}");
    }
    assert_eq!(close["kind"], "reset", "{close}");
}

#[test]
fn a_listener_that_begins_while_the_kernel_is_asked_counts_once_and_a_recording_agrees() {
    const PORT: u16 = 4957;
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let client = Actor::new(&netns, "tt-client");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "-w", path.to_str().expect("UTF-8")]);
    // After any of these everything is queried, and some come and go meanwhile.
    for _ in 0..50 {
        close(listen(&netns, PORT));
    }
    let listener = listen(&netns, PORT);
    // With a second holder, the listener's owner is reported again, now without a PID.
    let worker = worker(&netns, &listener);
    tracer.wait_for("who listens", |record| is_owner_of_listener(record, PORT) && record["pid"].is_null());
    reset(&client, open(&client, loopback(PORT)));
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    close(listener);
    drop(worker);
    for owner in trace.of_type("owner") {
        assert!(owner["sockets"].is_null(), "there never were two: {owner}");
        assert!(owner["conn"].is_number() || owner["asked_ns"].is_number(), "{owner}");
    }
    let read = output(Command::new(binary()).arg("-r").arg(&path).arg("--json"));
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // The last line counts the events, and copies are not counted again.
    let events = |records: &[Value]| records.split_last().expect("an end").1.to_vec();
    assert_eq!(events(&read), events(&trace.records));
}

#[test]
fn where_no_process_may_be_looked_at_those_that_act_are_known() {
    const PORT: u16 = 4956;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let old = ends.open();
    // The tracer may not see the descriptors of processes with a capability that it lacks.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-sys_ptrace,-dac_read_search,-chown", "--"]);
    command.arg(binary()).args(["--json", "-p", &format!("{PORT},{}", PORT + 1000)]);
    let tracer = Tracer::start_command(&netns, &mut command);
    tracer.wait_log("what is lacking", |line| line.contains("cap_sys_ptrace and cap_dac_read_search"));
    ends.close_in_four(old);
    wait_verdicts(&tracer, &netns, 1, 1);
    let listener = ends.server.listen(loopback(PORT + 1000));
    let client = ends.client.connect(loopback(PORT + 1000));
    let server = ends.server.accept(&listener);
    ends.close_in_four(Connection { client, server });
    wait_verdicts(&tracer, &netns, 2, 2);
    let trace = tracer.stop();
    let [old, new] = trace.verdicts(&netns).try_into().expect("two connections");
    let nobody = [&Value::Null, &Value::Null];
    assert_eq!([process(old.handshake, "client"), process(old.handshake, "server")], [nobody; 2]);
    let pid = json!(std::process::id());
    let (client, server) = ([&pid, &json!(process_name())], [&pid, &json!(process_name())]);
    for record in [old.close, Some(new.handshake), new.close] {
        let record = record.expect("a close");
        assert_eq!([process(record, "client"), process(record, "server")], [client, server], "{record}");
    }
    let of_connections: Vec<_> = trace.of_type("owner").into_iter().filter(|owner| !owner["conn"].is_null()).collect();
    let [stands_in] = of_connections[..] else { panic!("the one who listens: {of_connections:#?}") };
    assert_eq!((&stands_in["source"], &stands_in["pid"]), (&json!("listener"), &pid), "{stands_in}");
    trace.nothing_lost();
}

/// The kernel that lets a process without CAP_BPF start an iterator that has been loaded.
const ITERATES_FOR_ALL: (u32, u32) = (5, 19);

#[test]
fn the_kernel_lists_the_holders_of_sockets_and_proc_is_for_other_kernels() {
    const PORT: u16 = 4957;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let old = ends.open();
    // These tracers' /proc does not show what this process holds.
    let hides = format!("mount -t tmpfs none /proc/{} && exec \"$0\" --json -p {PORT} \"$@\"", std::process::id());
    let start = |further: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &hides]).arg(binary()).args(further);
        Tracer::start_command(&netns, &mut command)
    };
    let this = json!([{ "pid": std::process::id(), "comm": process_name() }]);
    let listed = if kernel_release() >= ITERATES_FOR_ALL { this } else { json!([]) };
    for (further, processes) in [(vec![], listed), (vec!["--no-btf"], json!([]))] {
        let tracer = start(&further);
        tracer.wait_for("what is there", |record| is_type(record, "existing"));
        let trace = tracer.stop();
        let existing = trace.of_type("existing");
        let [existing] = existing[..] else { panic!("{existing:?}") };
        let groups = existing["groups"].as_array().expect("groups");
        assert!(!groups.is_empty(), "{existing}");
        for group in groups {
            assert_eq!(group["processes"], processes, "{further:?}: {existing}");
        }
    }
    ends.close_in_four(old);
}
