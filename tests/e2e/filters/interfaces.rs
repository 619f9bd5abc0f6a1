//! `--interface`: segments that pass an interface, and sockets that use it.

use tcptrace_tests::{Ends, Netns, Tracer, Veth};

use super::{CLIENTS_STATES, NOISE, SEGMENTS, SERVERS_STATES, only, segments, states, v4};

#[test]
fn interface_keeps_the_segments_and_the_sockets_that_use_it() {
    let left = Netns::alone();
    let right = left.another();
    let (wanted, other) = (Veth::between(&left, &right, 0), Veth::between(&left, &right, 1));
    let through_wanted = Ends::between(&left, &right, wanted.right_v4(4241));
    let through_other = Ends::between(&left, &right, other.right_v4(4242));
    let through_loopback = Ends::on(&left, v4(4243));
    let tracer = Tracer::start(&left, &["-i", &wanted.left]);
    through_other.churn(NOISE);
    through_loopback.churn(NOISE);
    through_wanted.repeat(1);
    let trace = tracer.stop();
    assert_eq!(trace.start()["interfaces"], serde_json::json!([wanted.left]));
    assert_eq!(states(&trace, &left, 4241), CLIENTS_STATES);
    assert_eq!(segments(&trace, &left, 4241), SEGMENTS);
    only(&trace, &left, 4241, 5 + 7);
}

#[test]
fn interface_may_be_repeated_and_keeps_accepted_sockets() {
    let (left, right) = (Netns::new(), Netns::new());
    let pairs = [0, 1, 2].map(|number| Veth::between(&left, &right, number));
    let ends = [0, 1, 2].map(|index| {
        let port = 4244 + u16::try_from(index).expect("a small number");
        Ends::between(&right, &left, pairs[index].left_v4(port))
    });
    let tracer = Tracer::start(&left, &["-i", &pairs[0].left, "-i", &pairs[2].left]);
    for ends in &ends {
        ends.repeat(2);
    }
    let trace = tracer.stop();
    let states_of = [4244, 4245, 4246].map(|port| states(&trace, &left, port));
    assert_eq!(states_of, [[SERVERS_STATES; 2].concat(), vec![], [SERVERS_STATES; 2].concat()]);
    let counts = [4244, 4245, 4246].map(|port| segments(&trace, &left, port).len());
    assert_eq!(counts, [14, 0, 14]);
}
