//! Segments in IP fragments: only the first has a TCP header, and states only a part of the length.

use tcptrace_tests::{Connection, Ends, Netns, Tap, close, fragments, receive, send, set_option};

use super::{DOWN, Plain, UP, exchange, only_verdicts, router::Router, start, wait_verdicts, wire::Wire};

#[test]
fn connections_whose_data_comes_in_fragments() {
    const PORT: u16 = 4809;
    let netns = Netns::new();
    let tap = Tap::new(&netns, "tap0");
    let tracer = start(&netns, &[PORT]);
    let wires = [Wire::new(false, 5809, PORT), Wire::new(true, 5809, PORT)];
    for packet in wires.iter().flat_map(Wire::packets) {
        // The first fragment ends four bytes into the data, if there is any.
        let cut = if packet[0] >> 4 == 4 { 20 + 24 } else { 40 + 24 };
        let has_data = packet.len() == cut - 4 + UP || packet.len() == cut - 4 + DOWN;
        let pieces = if has_data { fragments(&packet, cut).to_vec() } else { vec![packet] };
        pieces.iter().for_each(|piece| tap.send(&[], piece, usize::MAX));
    }
    wait_verdicts(&tracer, &netns, wires.len(), wires.len());
    let trace = tracer.stop();
    let verdicts = trace.verdicts(&netns);
    assert_eq!(verdicts.len(), wires.len());
    verdicts.iter().zip(wires).for_each(|(verdicts, wire)| wire.plain(&netns).check(verdicts));
}

#[test]
fn a_connection_that_a_router_cuts_into_fragments() {
    const PORT: u16 = 4810;
    const SENT: usize = 100_000;
    let (left, right) = (Netns::new(), Netns::new());
    let router = Router::between(&left, &right);
    router.netns.ip(&["link", "set", &router.right.right, "mtu", "600"]);
    let address = router.right.left_v4(PORT);
    let tracer = start(&right, &[PORT]);
    let ends = Ends::between(&left, &right, address);
    let client = ends.client.connect_with(address, |socket| {
        let never = libc::IP_PMTUDISC_DONT.to_ne_bytes();
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &never);
    });
    let client = client.expect("the router forwards");
    let connection = Connection { client, server: ends.server.accept(&ends.listener) };
    let server = connection.server.try_clone().expect("a stream can be duplicated");
    let reading = ends.server.start(move || {
        receive(&server, SENT);
        close(server);
    });
    send(&connection.client, SENT);
    reading.finish();
    let client = exchange(&ends, connection);
    wait_verdicts(&tracer, &right, 1, 1);
    let trace = tracer.stop();
    assert!(right.counter("Ip", "ReasmOKs") > 0, "fragments came");
    let plain = Plain { here: (false, true), bytes: (UP + SENT, DOWN), ..Plain::new(&right, client, address) };
    plain.check(&only_verdicts(&trace, &right));
}
