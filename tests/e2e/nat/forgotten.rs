//! Connection tracking forgets the translation of an open connection: what follows is reset, and that is why.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use rustix::net::{
    AddressFamily, SendFlags, SocketType,
    netlink::{self, SocketAddrNetlink},
    sendto, socket,
};
use serde_json::{Value, json};
use tcptrace_tests::{LIMIT, Netns, eventually, is_type, text};

use super::node::{NODE, Node, OUTSIDE, PORT, PUBLISHED, SERVER};

/// `IPCTNL_MSG_CT_DELETE` without a tuple (linux/netfilter/nfnetlink_conntrack.h): all entries, as `conntrack --flush`.
fn flush(netns: &Netns) {
    const DELETE: u16 = 1 << 8 | 2;
    const REQUEST: u16 = 1;
    let message = [&20_u32.to_ne_bytes()[..], &DELETE.to_ne_bytes(), &REQUEST.to_ne_bytes(), &[0; 8], &[0; 4]].concat();
    netns.run(|| {
        let socket = socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::NETFILTER)).expect("nfnetlink");
        let kernel = SocketAddrNetlink::new(0, 0);
        assert_eq!(sendto(&socket, &message, SendFlags::empty(), &kernel).expect("a request"), message.len());
    });
}

/// Waits until the entry of a connection that says nothing is gone. To list entries removes those that have expired.
fn wait_expired(netns: &Netns) {
    let published = format!("dport={PUBLISHED}");
    eventually("an entry that expired", LIMIT, || {
        let listed = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/nf_conntrack"));
        !listed.expect("connection tracking lists its entries").contains(&published)
    });
}

/// A host outside has a connection to a published port, the node forgets how to translate it, and the host goes on.
fn check(timeout: &str, forget: impl FnOnce(&Netns), name: &str, words: &str) {
    let node = Node::new(false);
    node.netns.sysctl("netfilter/nf_conntrack_tcp_timeout_established", timeout);
    // Otherwise the next segment makes a new entry, and goes on as if nothing had happened.
    node.netns.sysctl("netfilter/nf_conntrack_tcp_loose", "0");
    let tracer = node.trace();
    let to = SocketAddr::from((NODE, PUBLISHED));
    let mut stream = node.outside.run(|| TcpStream::connect(to).expect("the port is published"));
    let established = |record: &Value| is_type(record, "handshake") && record["outcome"] == "established";
    tracer.wait_until("both sides", |records| records.iter().filter(|record| established(record)).count() == 2);
    forget(&node.netns);
    tracer.wait_until("both hints", |records| {
        records.iter().filter(|record| is_type(record, "hint") && record["name"] == name).count() == 2
    });
    stream.write_all(b"x").expect("an open socket takes it");
    stream.read(&mut [0]).expect_err("the node does not know the connection");
    tracer.wait_for("the close", |record| is_type(record, "close"));
    let trace = tracer.stop();

    let hints: Vec<_> = trace.of_type("hint").into_iter().filter(|hint| hint["name"] == name).collect();
    let client = json!({ "addr": OUTSIDE, "port": stream.local_addr().expect("it was connected").port() });
    let ends: Vec<_> = hints.iter().map(|hint| (&hint["conn"], &hint["local"], &hint["remote"])).collect();
    let (published, pod) = (json!({ "addr": NODE, "port": PUBLISHED }), json!({ "addr": SERVER, "port": PORT }));
    assert_eq!(ends, [(&json!(1), &client, &published), (&json!(2), &client, &pod)], "{hints:#?}");
    let close = trace.of_type("close")[0];
    assert_eq!((&close["conn"], &close["kind"]), (&json!(1), &json!("reset")), "{close}");
    let sentence = text(close, "summary");
    assert!(sentence.contains("; the NAT of this host had forgotten it ") && sentence.contains(words), "{sentence}");
    trace.nothing_lost();
}

#[test]
fn a_deleted_entry_is_the_reason_for_the_reset_that_follows() {
    check("600", flush, "nat_deleted", " before: its conntrack entry was deleted");
}

#[test]
fn an_entry_that_expired_is_the_reason_for_the_reset_that_follows() {
    check("2", wait_expired, "nat_expired", " before: its conntrack entry expired");
}
