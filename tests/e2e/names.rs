//! Names of processes and threads: their owners, and changes of the names.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{Ends, Netns, Tracer, is_type, process_name, receive_end, send};

/// A program that listens, and after a line on its stdin changes its name and serves two connections, which it closes.
const SERVER: &str = "
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('listens', flush=True)
sys.stdin.readline()
open('/proc/self/comm', 'w').write('renamed')
print('renamed', flush=True)
for _ in range(2):
    connection, _ = server.accept()
    connection.recv(1)
    connection.close()
";

fn records<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| is_type(record, kind)).collect()
}

#[test]
fn a_listener_that_was_there_before_is_known_to_the_first_connection() {
    const PORT: u16 = 4871;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    // The tracer has just announced that it traces.
    ends.close_in_four(ends.open());
    tracer.wait_for("the close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    let [handshake] = records(&trace.records, "handshake")[..] else { panic!("one: {:#?}", trace.records) };
    assert_eq!(handshake["server"]["pid"], std::process::id(), "{handshake}");
    for (end, thread) in [("client", "tt-client".into()), ("server", Value::Null)] {
        assert_eq!(
            (&handshake[end]["comm"], &handshake[end]["thread"]),
            (&process_name().into(), &thread),
            "{handshake}"
        );
    }
    let [close] = records(&trace.records, "close")[..] else { panic!("one: {:#?}", trace.records) };
    for (end, thread) in [("client", "tt-client"), ("server", "tt-server")] {
        assert_eq!((&close[end]["comm"], &close[end]["thread"]), (&process_name().into(), &thread.into()), "{close}");
    }
}

#[test]
fn a_server_that_takes_another_name_is_known_by_it() {
    const PORT: u16 = 4872;
    let netns = Netns::new();
    let mut command = Command::new("python3");
    command.args(["-c", SERVER, &PORT.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = netns.run(|| command.spawn().expect("python3 can be started"));
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("UTF-8");
    assert_eq!(next(), "listens");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string()]);
    server.stdin.take().expect("a pipe").write_all(b"\n").expect("it reads");
    assert_eq!(next(), "renamed");
    let client = tcptrace_tests::Actor::new(&netns, "tt-client");
    for count in 1..=2 {
        let stream = client.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        send(&stream, 1);
        receive_end(&stream);
        client.close(stream);
        tracer.wait_until("the close", |seen| records(seen, "close").len() == count);
    }
    assert!(server.wait().expect("it ends").success());
    let trace = tracer.stop();
    let names = |kind| -> Vec<_> {
        records(&trace.records, kind).into_iter().map(|record| &record["server"]["comm"]).collect()
    };
    // It had its new name when it closed the first connection.
    assert_eq!(names("close"), ["renamed"; 2], "{:#?}", trace.records);
    assert_eq!(names("handshake").last(), Some(&&"renamed".into()), "{:#?}", trace.records);
}
