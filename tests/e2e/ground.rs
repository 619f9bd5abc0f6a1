//! The harness without a tracer: the properties that the other tests rely on.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tcptrace_tests::{
    Actor, Attached, Ends, Netns, Peer, RawSender, Tcpdump, Tun, Veth, kernel_objects, receive, receive_end, send,
    set_option, tcp_packet, tcx_programs,
};

fn flags(headers: &[tcptrace_tests::Header]) -> Vec<&str> {
    headers.iter().map(|header| header.flags.as_str()).collect()
}

#[test]
fn tcpdump_reads_every_field_of_an_exchange() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, 4001)));
    let tcpdump = Tcpdump::start(&netns, "lo", "tcp");
    let connection = ends.open();
    send(&connection.client, 5);
    receive(&connection.server, 5);
    ends.close_in_four(connection);

    let headers = tcpdump.finish(9);
    assert_eq!(flags(&headers), ["S", "S.", ".", "P.", ".", "F.", ".", "F.", "."]);
    let (syn, syn_ack, data) = (&headers[0], &headers[1], &headers[3]);
    assert_eq!((syn.destination_port, syn.ack, syn.length), (4001, None, 0));
    assert_eq!((syn.mss, syn.sack_permitted, syn.window_scale.is_some()), (Some(65495), true, true));
    assert_eq!((syn_ack.source_port, syn_ack.ack), (4001, Some(syn.seq.wrapping_add(1))));
    assert_eq!((data.seq, data.length), (syn.seq.wrapping_add(1), 5));
    assert_eq!((data.timestamp.is_some(), data.sack_permitted, data.mss), (true, false, None));
}

#[test]
fn tcpdump_reads_segments_behind_ip_options_and_extension_headers() {
    const PADDING_OPTIONS: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv6Addr::LOCALHOST, 4001)));
    let tcpdump = Tcpdump::start(&netns, "lo", "ip6[6] == 0");
    let client = ends.client.connect_with(ends.address, |socket| {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_HOPOPTS, &PADDING_OPTIONS);
    });
    let client = client.expect("extension headers do not hinder a connection");
    let server = ends.server.accept(&ends.listener);
    ends.close_in_three(tcptrace_tests::Connection { client, server });

    let headers = tcpdump.finish(4);
    assert_eq!(flags(&headers), ["S", ".", "F.", "."]);
    assert!(headers.iter().all(|header| header.destination_port == 4001), "{headers:#?}");
}

#[test]
fn a_veth_pair_joins_two_namespaces() {
    let (left, right) = (Netns::new(), Netns::new());
    assert_ne!(left.inode(), right.inode());
    let veth = Veth::between(&left, &right, 0);
    for address in [veth.right_v4(4001), veth.right_v6(4001)] {
        Ends::between(&left, &right, address).churn(2);
    }
}

#[test]
fn the_peer_behind_a_tun_device_talks_tcp() {
    let netns = Netns::new();
    let tun = Tun::new(&netns, "tun0");
    let client = Actor::new(&netns, "tt-client");
    for address in ["10.8.0.9:4001", "[fd08::9]:4001"] {
        let address: SocketAddr = address.parse().expect("an endpoint");
        let connecting = client.start_connect(address, |_| {});
        let mut peer = Peer::accept(&tun);
        let stream = connecting.finish().expect("the peer accepts");
        send(&stream, 100);
        assert_eq!(peer.receive_data(), 100);
        stream.shutdown(std::net::Shutdown::Write).expect("a connected stream can be shut down");
        peer.receive_fin();
        peer.close();
        receive_end(&stream);
    }
}

#[test]
fn raw_segments_arrive_as_they_were_made() {
    const SYN_FIN: u8 = 0x03;
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let (from, to) = (veth.left_v4(4002), veth.right_v4(4001));
    let tcpdump = Tcpdump::start(&right, &veth.right, "tcp and src port 4002");
    RawSender::new(&left).send(&tcp_packet(from, to, SYN_FIN, (7, 0), &[2, 4, 5, 180], b"abc"), to.ip());
    let headers = tcpdump.finish(1);
    assert_eq!(flags(&headers), ["FS"]);
    assert_eq!((headers[0].seq, headers[0].mss, headers[0].length), (7, Some(1460), 3));
}

#[test]
fn nothing_hangs_in_a_new_namespace() {
    let netns = Netns::new();
    assert_eq!(tcx_programs(&netns, "lo"), (0, 0));
    let attached = Attached::to(&netns, "lo");
    assert_eq!(attached.qdiscs, ["noqueue"]);
    assert_eq!((attached.ingress.as_str(), attached.egress.as_str()), ("", ""));
    kernel_objects("prog");
}
