//! Exhaustion: of an accept queue, and of local ports.

use rustix::process::{Pid, Signal, kill_process};
use tcptrace_tests::{Actor, Netns};

use super::{hosts::Hosts, program::Server, watch::Watch};

#[test]
fn an_accept_queue_that_a_worker_does_not_empty() {
    const PORT: u16 = 5131;
    let hosts = Hosts::new();
    let at = hosts.at(PORT);
    let nginx = Server::nginx(&hosts.server, at, &format!("listen {at} backlog=1;"));
    let pid = Pid::from_raw(nginx.worker().try_into().expect("a PID")).expect("a PID");
    kill_process(pid, Signal::STOP).expect("the worker is there");
    let watch = Watch::start(&hosts.server, PORT);
    let client = Actor::new(&hosts.client, "tt-client");
    let waiting = [(); 2].map(|()| client.connect(at));
    let more = client.begin_connect(at);
    watch.wait_line(&[
        "#3 ",
        "stalled: waiting for the server's SYN,ACK",
        "the server's accept queue is full (2 of 1)",
    ]);
    watch.wait_line(&["#1 ", "stalled: no process of the server has accepted it: it waits in the accept queue"]);
    client.close(more);
    let seen = watch.stop();
    seen.assert_advice(&format!(
        "the server's program: does it still call accept()? There, Recv-Q of `ss -ltnp 'sport = :{PORT}'` counts those that wait"
    ));
    seen.assert_advice("the server's listen() backlog and net.core.somaxconn: it accepts too slowly");
    drop(waiting);
}

#[test]
fn a_proxy_that_has_used_up_its_ports() {
    const FRONT: u16 = 5132;
    const BACK: u16 = 5133;
    let hosts = Hosts::new();
    let _nginx = Server::nginx(&hosts.server, hosts.at(BACK), &format!("listen {};", hosts.at(BACK)));
    let proxy: &Netns = &hosts.client;
    proxy.sysctl("ipv4/ip_local_port_range", "40000 40001");
    let front = std::net::SocketAddr::from(([127, 0, 0, 1], FRONT));
    let _haproxy = Server::haproxy(proxy, front, hosts.at(BACK));
    let watch = Watch::start(proxy, BACK);
    let client = Actor::new(proxy, "tt-client");
    let from = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let connections: Vec<_> = (0..3).map(|index| client.connect_from(from(30_000 + index), front)).collect();
    watch.wait_line(&["haproxy[", "three-way handshake, not begun: connect() found no free local port"]);
    watch.stop().assert_advice(
        "on the client, `sysctl net.ipv4.ip_local_port_range`, and `ss -tan state time-wait`: are the ports used up? Keep \
         connections open and use them again",
    );
    drop(connections);
}
