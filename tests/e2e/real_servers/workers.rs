//! Servers that end before they answer, and clients that do not wait long enough.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tcptrace_tests::{Actor, LIMIT, eventually, receive, send};

use super::{
    hosts::{Hosts, ask, read_to_end, read_until},
    program::Server,
    watch::Watch,
};
use crate::scenarios::receive_reset;

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a PID");
    kill_process(pid, signal).expect("the server's process is there");
}

/// The advice after signal 9.
const KILLED: &str = "who killed the server's process: there, `journalctl -k` tells whether the kernel did because memory ran \
    out; else whatever runs it, such as systemd or a container runtime";

#[test]
fn a_worker_that_is_killed_in_the_middle_of_an_answer() {
    const PORT: u16 = 5121;
    let hosts = Hosts::new();
    let nginx = Server::nginx(&hosts.server, hosts.at(PORT), &format!("listen {};", hosts.at(PORT)));
    let watch = Watch::start(&hosts.server, PORT);
    let client = Actor::new(&hosts.client, "tt-client");
    let connection = client.connect(hosts.at(PORT));
    ask(&connection, "/large");
    receive(&connection, 1000);
    let name = format!("nginx[{}]", nginx.worker());
    signal(nginx.worker(), Signal::KILL);
    read_to_end(&connection);
    client.close(connection);
    watch.wait_line(&["#1 ", &name, "closed by the server", "; its process was killed by signal 9"]);
    watch.stop().assert_advice(KILLED);
}

#[test]
fn a_worker_that_is_killed_with_a_request_unread() {
    const PORT: u16 = 5123;
    let hosts = Hosts::new();
    let nginx = Server::nginx(&hosts.server, hosts.at(PORT), &format!("listen {};", hosts.at(PORT)));
    let watch = Watch::start(&hosts.server, PORT);
    let client = Actor::new(&hosts.client, "tt-client");
    let connection = client.connect(hosts.at(PORT));
    ask(&connection, "/");
    read_until(&connection, "hello");
    let name = format!("nginx[{}]", nginx.worker());
    signal(nginx.worker(), Signal::STOP);
    send(&connection, 18);
    let sender = connection.local_addr().expect("a connected socket has an address").port();
    let unread = || {
        let filter = format!("dport = :{sender}");
        hosts.server.output(Command::new("ss").args(["-Htn", &filter])).split_whitespace().nth(1) == Some("18")
    };
    eventually("the request is there", LIMIT, unread);
    signal(nginx.worker(), Signal::KILL);
    receive_reset(&connection);
    client.close(connection);
    watch
        .wait_line(&[&name, "reset by the server: it closed with 18 bytes unread; its process was killed by signal 9"]);
    watch.stop().assert_advice(KILLED);
}

#[test]
fn a_client_whose_patience_ends_first() {
    const PORT: u16 = 5122;
    let hosts = Hosts::new();
    let nginx = Server::nginx(&hosts.server, hosts.at(PORT), &format!("listen {};", hosts.at(PORT)));
    let watch = Watch::start(&hosts.client, PORT);
    signal(nginx.worker(), Signal::STOP);
    let url = format!("http://{}/", hosts.at(PORT));
    let mut curl = hosts.client.start(Command::new("curl").args(["--silent", "--max-time", "1.5", &url]));
    assert_eq!(curl.wait(LIMIT).code(), Some(28), "curl timed out");
    watch.wait_line(&["curl[", "stalled: the client closed its side; the server has not"]);
    signal(nginx.worker(), Signal::CONT);
    watch.wait_line(&[
        "curl[",
        " B ←  idle for ",
        "reset by the client: the other end wrote to a socket that was closed",
    ]);
    watch.stop().assert_advice_between(
        "the client's time-out and what delayed the server, if this was its answer: the client had closed first, after ",
        " later",
    );
}
