//! Connection tracking forgets the translation of an open connection: the next segment is reset, and the verdict names that
//! reason.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
};

use rustix::net::{
    AddressFamily, SendFlags, SocketType,
    netlink::{self, SocketAddrNetlink},
    sendto, socket,
};
use serde_json::{Value, json};
use tcptrace_tests::{LIMIT, Netns, Tracer, eventually, is_type, text};

use super::{
    call,
    node::{NODE, Node, OUTSIDE, PORT, PUBLISHED, SERVER},
};

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

/// Waits until the entry of an idle connection is gone. Listing entries removes those that have expired.
fn wait_expired(netns: &Netns) {
    let published = format!("dport={PUBLISHED}");
    eventually("an entry that expired", LIMIT, || {
        let listed = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/nf_conntrack"));
        !listed.expect("connection tracking lists its entries").contains(&published)
    });
}

/// Waits for a subscription to the connection tracking of a namespace.
#[track_caller]
fn wait_followed(netns: &Netns) {
    eventually("a subscription to connection tracking", LIMIT, || subscriptions(netns) == 1);
}

/// Returns the number of sockets in a namespace that are notified of ended entries: those of netlink's protocol 12, in group
/// 3.
fn subscriptions(netns: &Netns) -> usize {
    let sockets =
        netns.run(|| std::fs::read_to_string("/proc/thread-self/net/netlink")).expect("netlink lists sockets");
    let is_subscription = |line: &&str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        matches!(columns[..], [_, "12", _, "00000004", ..])
    };
    sockets.lines().filter(is_subscription).count()
}

/// Creates a node that forgets connections idle for `timeout` seconds.
fn forgetful(timeout: &str) -> Node {
    let node = Node::new(false);
    node.netns.sysctl("netfilter/nf_conntrack_tcp_timeout_established", timeout);
    // Otherwise the next segment makes a new entry, and the connection continues.
    node.netns.sysctl("netfilter/nf_conntrack_tcp_loose", "0");
    node
}

/// A host outside has a connection to a published port, the node forgets its translation, and the host continues.
fn check(node: &Node, tracer: Tracer, forget: impl FnOnce(&Netns), name: &str, words: &str) {
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
    let node = forgetful("600");
    check(&node, node.trace(), flush, "nat_deleted", " before: its conntrack entry was deleted");
}

#[test]
fn an_entry_that_expired_is_the_reason_for_the_reset_that_follows() {
    let node = forgetful("2");
    let tracer = node.trace_from(&node.netns, &["--segments", "all"]);
    // Every segment is seen, so the time without one is certain.
    check(&node, tracer, wait_expired, "nat_expired", " before: its conntrack entry expired, idle for ");
}

#[test]
fn what_another_namespace_forgets_is_told_while_its_connection_tracking_is_in_use() {
    let node = forgetful("600");
    // Its entry stays, but the connection is over.
    call(&node.outside, (NODE, PUBLISHED).into());
    let elsewhere = node.netns.another();
    let tracer = node.trace_from(&elsewhere, &[]);
    wait_followed(&node.netns);
    check(&node, tracer, flush, "nat_deleted", " before: its conntrack entry was deleted");
    assert_eq!(subscriptions(&node.netns), 0, "it has ended");
}

/// A namespace whose connection tracking is followed goes when its name is removed.
#[test]
fn no_namespace_stays_for_its_connection_tracking() {
    let own = Netns::new();
    let [near, far] = [own.another(), own.another()];
    near.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far.name()]);
    far.nft("table ip t { chain c { type filter hook input priority 0; ct state established accept; }; }");
    far.run(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        TcpStream::connect(listener.local_addr().expect("it is bound")).expect("somebody listens");
    });
    let tracer = Tracer::start(&own, &["--netns", near.name(), "--netns", far.name()]);
    wait_followed(&far);
    drop(far);
    eventually("the end of a namespace", LIMIT, || !near.ip(&["link", "show"]).contains("near@"));
    tracer.stop();
}
