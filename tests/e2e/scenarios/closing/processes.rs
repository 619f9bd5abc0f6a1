//! The closing process: one that dies, one that did not open the connection (`handed_over`), and the kernel itself.

mod handed_over;

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::{Command, Stdio},
};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};
use tcptrace_tests::{
    ANY, Actor, Ends, LIMIT, Lines, Netns, Process, TRAFFIC_LIMIT, assert_opened, assert_record, but, eventually,
    process_name, receive_end, send, text,
};

use super::{FIN_WAIT1, loopback, plain, receive_reset, reset, start, wait_client, wait_verdicts};

/// Starts a shell that connects and runs `script`; the socket is its descriptor 3.
fn bash(netns: &Netns, port: u16, script: &str) -> Process {
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}; {script}; read")]);
    netns.start(bash.stdin(Stdio::piped()).stdout(Stdio::piped()))
}

#[test]
fn a_process_that_is_killed_closes_its_sockets() {
    const PORT: u16 = 4761;
    let netns = Netns::new();
    let ends = Ends::on(&netns, loopback(PORT));
    let tracer = start(&netns, PORT);
    let mut bash = bash(&netns, PORT, "true");
    let server = ends.server.accept(&ends.listener);
    let client = server.peer_addr().expect("an accepted socket has a peer");
    bash.signal(Signal::KILL);
    assert!(!bash.wait(LIMIT).success());
    receive_end(&server);
    wait_client(&ends, (client, ends.address), FIN_WAIT1);
    ends.server.close(server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let by = json!({
        "client": { "pid": bash.id(), "comm": "bash", "thread": null, "exit": { "signal": 9, "code": null } },
        "summary": ["; its process was killed by signal 9; "],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), by));
}

#[test]
fn a_process_that_is_killed_with_data_unread_resets() {
    const PORT: u16 = 4765;
    let netns = Netns::new();
    let tracer = start(&netns, PORT);
    let ends = Ends::on(&netns, loopback(PORT));
    // It reads one byte of those that have come, and reports that.
    let mut bash = bash(&netns, PORT, "read -N 1 -u 3; echo come");
    let said = Lines::read(bash.stdout(), |line| line);
    let server = ends.server.accept(&ends.listener);
    send(&server, 5);
    said.wait_until("a byte", LIMIT, |lines| !lines.is_empty());
    bash.signal(Signal::KILL);
    assert!(!bash.wait(LIMIT).success());
    receive_reset(&server);
    ends.server.close(server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let expected = but(
        reset(
            "client",
            "unread_data",
            ": it closed with 4 bytes unread; its process was killed by signal 9; 0 B →, 5 B ←; lasted ",
        ),
        json!({
            "client": {
                "pid": bash.id(), "comm": "bash", "thread": null, "exit": { "signal": 9, "code": null }, "unread_bytes": 4,
            },
            "bytes": { "server_to_client": 5 },
        }),
    );
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

#[test]
fn a_process_that_ends_with_a_half_closed_connection_and_data_unread_resets() {
    for (port, killed) in [(4768, true), (4769, false)] {
        let netns = Netns::new();
        let tracer = start(&netns, port);
        let ends = Ends::on(&netns, loopback(port));
        let mut bash = bash(&netns, port, "read -N 1 -u 3; echo come");
        let said = Lines::read(bash.stdout(), |line| line);
        let server = ends.server.accept(&ends.listener);
        let client = server.peer_addr().expect("an accepted socket has a peer").port();
        send(&server, 5);
        said.wait_until("a byte", LIMIT, |lines| !lines.is_empty());
        half_close(&bash, 3);
        receive_end(&server);
        if killed {
            bash.signal(Signal::KILL);
        } else {
            bash.close_stdin();
        }
        assert!(!bash.wait(LIMIT).success());
        eventually("the reset", TRAFFIC_LIMIT, || ends.server.socket_state(port, client).is_none());
        ends.server.close(server);
        wait_verdicts(&tracer, &netns, 1, 1);
        let trace = tracer.stop();
        let close = trace.closed(&netns);
        assert_eq!((&close["kind"], &close["initiator"]), (&json!("reset"), &json!("client")), "{close}");
        assert_eq!(close["reset"], json!({ "by": "client", "cause": "unread_data" }), "{close}");
        let (exit, words) = match killed {
            true => (json!({ "signal": 9, "code": null }), "; its process was killed by signal 9; "),
            false => (json!({ "signal": null, "code": 1 }), "; its process was exiting with status 1; "),
        };
        assert_eq!((&close["client"]["exit"], &close["client"]["pid"]), (&exit, &json!(bash.id())), "{close}");
        assert!(text(close, "summary").contains(words), "{close}");
    }
}

/// Half-closes the connection that a process has as this descriptor, as shutdown() in that process would.
fn half_close(process: &Process, descriptor: i32) {
    let pid = Pid::from_raw(process.id().cast_signed()).expect("a process has an ID");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("it lives");
    let socket = pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty()).expect("root may have its descriptor");
    TcpStream::from(socket).shutdown(Shutdown::Write).expect("an open socket can be shut down");
}

/// A socket of MPTCP, which a TCP connection carries.
fn mptcp() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::from(libc::IPPROTO_MPTCP))).expect("this kernel has MPTCP")
}

#[test]
fn a_connection_that_the_kernel_opens_and_closes_has_no_process() {
    const PORT: u16 = 4764;
    let netns = Netns::new();
    // The kernel opens the second connection between the two on its own.
    netns.ip(&["mptcp", "limits", "set", "subflow", "1", "add_addr_accepted", "1"]);
    netns.ip(&["mptcp", "endpoint", "add", "127.0.0.2", "dev", "lo", "subflow"]);
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let tracer = start(&netns, PORT);
    let listener = server.run(|| {
        let listener = mptcp();
        listener.bind(&loopback(PORT).into()).expect("a free port");
        listener.listen(1).expect("a bound socket can listen");
        listener
    });
    let stream = client.run(|| {
        let stream = mptcp();
        stream.connect(&loopback(PORT).into()).expect("the server listens");
        stream
    });
    let (mut accepted, _) = listener.accept().expect("a connection");
    let mut byte = [0];
    (&stream).write_all(b"x").expect("a byte can be sent");
    accepted.read_exact(&mut byte).expect("it arrives");
    accepted.write_all(b"x").expect("a byte can be sent");
    (&stream).read_exact(&mut byte).expect("it arrives");
    wait_verdicts(&tracer, &netns, 2, 0);
    client.close(stream);
    server.close(accepted);
    wait_verdicts(&tracer, &netns, 2, 2);
    let trace = tracer.stop();
    drop(listener);
    let verdicts: [_; 2] = trace.verdicts(&netns).try_into().expect("two connections");
    let ends = [
        json!({ "addr": "127.0.0.1", "pid": std::process::id(), "comm": process_name(), "thread": ANY }),
        // The subflow is part of the process's MPTCP socket, so a look-up may name the process.
        json!({ "addr": "127.0.0.2", "pid": ANY, "comm": ANY, "thread": ANY }),
    ];
    for ((verdicts, client), count) in verdicts.into_iter().zip(ends).zip([1, 0]) {
        assert_opened(verdicts.handshake);
        assert_eq!(verdicts.handshake["client"]["addr"], client["addr"], "{verdicts:#?}");
        for record in [Some(verdicts.handshake), verdicts.close].into_iter().flatten() {
            let pid = &record["client"]["pid"];
            assert!(pid.is_null() && count == 0 || *pid == std::process::id(), "{verdicts:#?}");
        }
        let opened = trace.of_type("state").into_iter().find(|state| state["conn"] == verdicts.handshake["conn"]);
        let opener = &opened.expect("it has states")["pid"];
        assert_eq!(opener.is_null(), count == 0, "no process opens the second one: {opener}");
        let close = verdicts.close.expect("a close");
        trace.recount(close);
        // The kernel's threads close both ends of each at any time, with either FIN first.
        let expected = json!({
            "kind": ANY, "initiator": ANY, "client": client, "time_wait": ANY, "states": ANY,
            "bytes": { "client_to_server": count, "server_to_client": count },
            "summary": ["closed by ", format!("; {count} B →, {count} B ←; lasted ")],
        });
        assert_record(close, &but(plain(&netns, loopback(PORT)), expected));
        assert!(["three_segment", "four_segment", "simultaneous"].contains(&text(close, "kind")), "{close:#}");
    }
}
