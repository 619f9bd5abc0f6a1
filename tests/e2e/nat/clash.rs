//! Two clients whose addresses are translated to one and the same address and port: the SYN of the second is dropped.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tcptrace_tests::{Actor, Netns, Tracer, Veth, number, text};

#[test]
fn a_syn_that_gets_the_ends_of_an_open_connection_is_dropped() {
    const PORT: u16 = 4991;
    const TAKEN: u16 = 5991;
    let router = Netns::new();
    let hosts = [router.another(), router.another(), router.another()];
    // The router is on the left: 10.7.N.1.
    let cables = [0, 1, 2].map(|number| Veth::between(&router, &hosts[usize::from(number)], number));
    router.sysctl("ipv4/ip_forward", "1");
    for (host, cable) in hosts.iter().zip(&cables) {
        host.ip(&["route", "add", "default", "via", &cable.left_v4(0).ip().to_string()]);
    }
    let [first, second, last] = &hosts;
    second.sysctl("ipv4/tcp_syn_retries", "1");
    let outside = cables[2].left_v4(TAKEN);
    router.nft(&format!(
        "table ip t {{ chain c {{ type nat hook postrouting priority srcnat; tcp dport {PORT} snat to {outside}; }}; }}"
    ));
    let server = Actor::new(last, "tt-server");
    let listener = server.listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)));
    let tracer = Tracer::start(&router, &["-p", &PORT.to_string()]);
    let to = cables[2].right_v4(PORT);
    let open = Actor::new(first, "tt-first").connect(to);
    tracer.wait_until("both sides of the first", |records| {
        records.iter().filter(|record| record["type"] == "handshake").count() == 2
    });
    let waiting = Actor::new(second, "tt-second").begin_connect(to);
    tracer.wait_until("two dropped SYNs", |records| {
        records.iter().filter(|record| record["type"] == "drop" && record["flags"] == "S").count() >= 2
    });
    let trace = tracer.stop();
    drop((open, waiting, listener));
    let handshakes = trace.of_type("handshake");
    let side = |port: u64| handshakes.iter().find(|record| number(&record["client"], "port") == port);
    let taken = &side(TAKEN.into()).expect("the translated side")["conn"];
    let failed = handshakes.iter().find(|record| record["outcome"] == "unanswered").expect("the second");
    assert_eq!(failed["client"]["addr"], cables[1].right_v4(0).ip().to_string(), "{failed}");
    let dropped = &failed["dropped"];
    assert_eq!((&dropped["reason"], &dropped["of_synack"]), (&json!("NETFILTER_DROP"), &json!(false)), "{failed}");
    assert!(number(dropped, "segments") >= 2, "{failed}");
    assert_eq!(&dropped["ends_of"], taken, "{failed}");
    let said = format!("its NAT had given it the ends of #{taken}, which is open");
    assert!(text(failed, "summary").contains(&said), "{failed}");
    for drop in trace.of_type("drop") {
        assert_eq!((&drop["conn"], &drop["rel_seq"]), (&failed["conn"], &json!(0)), "{drop}");
    }
}
