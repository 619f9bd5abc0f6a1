//! A tracer in a PID namespace of its own, as in a container.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use tcptrace_tests::{LIMIT, Lines, Netns, Tracer, binary, is_type, number, text};

const PORT: u16 = 4986;

#[test]
fn a_process_has_one_id_the_one_it_has_there() {
    let netns = Netns::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = netns.run(|| TcpListener::bind(address)).expect("a free port");
    let tracer = Tracer::start_in_pid_namespace(&netns, &["-p", &PORT.to_string()]);
    // It joins the tracer's namespaces, and prints its ID there.
    let mut command = Command::new("nsenter");
    command.args(["--target", &tracer.id().to_string(), "--pid", "--mount", "--", "bash", "-c"]);
    command.arg(format!("echo $$; exec 3<>/dev/tcp/127.0.0.1/{PORT}; read -r || true"));
    let mut client = netns.start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let lines = Lines::read(client.stdout(), |line| line);
    let (server, _) = listener.accept().expect("the client connects");
    // By then the owners of both ends have been looked up in `/proc`.
    tracer.wait_for("the handshake", |record| is_type(record, "handshake"));
    client.close_stdin();
    assert!(client.wait(LIMIT).success());
    drop(server);
    tracer.wait_for("the close", |record| is_type(record, "close"));
    let own_id: u64 = lines.finish()[0].parse().expect("a number");
    let trace = tracer.stop();

    assert!(own_id < 100, "the namespace counts from 1: {own_id}");
    let ids: Vec<_> =
        trace.records.iter().filter(|record| record["comm"] == "bash").map(|record| &record["pid"]).collect();
    assert!(ids.len() >= 2 && ids.iter().all(|&id| *id == own_id), "{ids:?} of {:#?}", trace.records);
    for kind in ["handshake", "close"] {
        let record = trace.of_type(kind)[0];
        assert_eq!((text(&record["client"], "comm"), number(&record["client"], "pid")), ("bash", own_id), "{record:#}");
    }
    // This test is outside that namespace.
    assert_eq!(trace.of_type("close")[0]["server"]["pid"], std::process::id(), "{:#?}", trace.records);
    let said = trace.log.iter().filter(|line| line.contains("in this PID namespace, which is not the host's"));
    assert_eq!(said.count(), 1, "{:#?}", trace.log);
}

#[test]
fn doctor_says_whose_ids_are_told() {
    let netns = Netns::new();
    let mut command = Command::new("unshare");
    let doctor = |command: &mut Command| netns.output(command.arg(binary()).arg("doctor"));
    let there = doctor(command.args(["--pid", "--fork", "--mount-proc"]));
    let processes = |text: &str| text.lines().find(|line| line.contains(" processes ")).map(str::to_owned);
    let said = processes(&there).expect("a line about processes");
    assert!(said.starts_with("limited") && said.contains("in this PID namespace"), "{there}");
    let here = processes(&doctor(&mut Command::new("env"))).expect("a line about processes");
    assert!(!here.contains("PID namespace, which"), "{here}");
}
