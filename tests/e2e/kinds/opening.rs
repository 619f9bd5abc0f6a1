//! Handshakes.

use super::{Case, check};

/// The kernel's client closes, and so does the peer.
const CLOSED: &str = "established; three_segment client 0/0";

/// The kernel's server closes first, the peer afterwards.
const SERVER_CLOSED: &str = "established; four_segment server 0/0";

#[test]
fn a_segment_that_the_client_refuses_is_not_its_connections() {
    check(
        &[
            Case {
                name: "the ACK of a connection that the peer still has (RFC 9293, figure 9)",
                script: "connect; > S; < . 7000/0/3000; > R; > S; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .",
                right: &[CLOSED],
                captured: None,
            },
            Case {
                name: "a stale ACK far from the SYN",
                script: "connect; > S; < . 9000000/0/-900000; > R; > S; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .",
                right: &[CLOSED],
                captured: None,
            },
            Case {
                name: "a SYN,ACK that acknowledges what was never sent",
                script: "connect; > S; < S. 0/0/999; > R; > S; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .",
                right: &[CLOSED],
                captured: None,
            },
            Case {
                name: "a SYN,ACK that acknowledges nothing",
                script: "connect; > S; < S. 0/0/0; > R; > S; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .",
                right: &[CLOSED],
                captured: None,
            },
            Case {
                name: "a FIN before the SYN,ACK",
                script: "connect; > S; < F. 1/0/1; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .",
                right: &[CLOSED],
                captured: None,
            },
            Case {
                name: "a reset that acknowledges nothing",
                script: "connect; > S; < R 1; < S. 0/0/1; > .; close; > F.; < F. 1/0/2; > .",
                right: &[CLOSED],
                captured: None,
            },
        ],
        &[],
    );
}

#[test]
fn a_syn_ack_with_a_wrong_echo_is_refused() {
    check(
        &[Case {
            name: "PAWS",
            script: "connect; > S; < S. 0/0/1 ts=1000,9999; > R; < S. 0/0/1 ts=1000,.; > .; close; > F.; \
                     < F. 1/0/2 ts=1001,.; > .",
            right: &[CLOSED],
            captured: None,
        }],
        &[("ipv4/tcp_timestamps", "1")],
    );
}

#[test]
fn a_request_survives_what_it_does_not_accept() {
    check(
        &[
            Case {
                name: "a reset beyond the window",
                script: "< S 0; > S.; < R 1000000; < . 1/0/1; accept; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "SYN and RST in one",
                script: "< S 0; > S.; < SR 0; < . 1/0/1; accept; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "an ACK of what was never sent",
                script: "< S 0; > S.; < . 1/0/900000; > R; < . 1/0/1; accept; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "a FIN without ACK",
                script: "< S 0; > S.; < F 1; < . 1/0/1; accept; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
        ],
        &[],
    );
}

#[test]
fn the_ack_comes_when_the_request_is_gone() {
    // The capture shows a handshake followed by a reset.
    let captured = Some(["established; reset server server/unknown 0/0"].as_slice());
    check(
        &[
            Case {
                name: "it has expired",
                script: "< S 0; > S.; gone; < . 1/0/1; > R",
                right: &["reset server/no_connection"],
                captured,
            },
            Case {
                name: "its listener has closed",
                script: "< S 0; > S.; unlisten; < . 1/0/1; > R",
                right: &["reset server/no_connection"],
                captured,
            },
            Case {
                name: "an ICMP error about its SYN,ACK has ended it",
                script: "< S 0; > S.; < icmp 3/1; < . 1/0/1; > R",
                right: &["reset server/no_connection"],
                captured,
            },
        ],
        &[("ipv4/tcp_synack_retries", "0")],
    );
}

#[test]
fn a_server_ends_in_syn_recv() {
    let captured = Some(["fast_open reset server/unknown"].as_slice());
    check(
        &[
            Case {
                name: "with data unread",
                script: "< S 0/10; > S.; accept; close; > R.",
                right: &["fast_open reset server/unread_data"],
                captured,
            },
            Case {
                name: "with SO_LINGER 0",
                script: "< S 0/10; > S.; accept; read 10; linger; close; > R.",
                right: &["fast_open reset server/linger"],
                captured,
            },
            Case {
                name: "with its listener",
                script: "< S 0/10; > S.; unlisten; > R.",
                right: &["fast_open reset server/listener_closed"],
                captured,
            },
            Case {
                name: "by close(), before the ACK",
                script: "< S 0/10; > S.; accept; read 10; close; > F.; < . 11/0/2; < F. 11/0/2; > .",
                right: &["fast_open established; four_segment server 10/0"],
                captured: None,
            },
            Case {
                name: "not by shutdown(), whose FIN waits for the ACK",
                script: "< S 0/10; > S.; accept; read 10; shutdown; < . 11/0/1; > F.; < F. 11/0/2; > .",
                right: &["fast_open established; three_segment server 10/0"],
                captured: None,
            },
            Case {
                name: "by close(), before a reset",
                script: "< S 0/10; > S.; accept; read 10; close; > F.; < R. 11/0/1",
                right: &["fast_open reset client/unknown"],
                captured: None,
            },
            Case {
                name: "by a reset",
                script: "< S 0/10; > S.; accept; < R. 11/0/1",
                right: &["fast_open reset client/unknown"],
                captured: None,
            },
        ],
        // Without cookies, at every listener: TFO_SERVER_COOKIE_NOT_REQD and TFO_SERVER_WO_SOCKOPT1 of include/net/tcp.h.
        &[("ipv4/tcp_fastopen", "1539")],
    );
}

#[test]
fn a_client_ends_in_syn_recv() {
    check(
        &[
            Case {
                name: "with SO_LINGER 0",
                script: "connect; > S; < S 0; > S.; linger; close; > R.",
                right: &["simultaneous reset client/linger"],
                captured: Some(&["simultaneous reset client/unknown"]),
            },
            Case {
                name: "by close(), before the ACK",
                script: "connect; > S; < S 0; > S.; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &["simultaneous established; four_segment client 0/0"],
                captured: None,
            },
        ],
        &[],
    );
}

#[test]
fn a_syn_that_is_sent_again_after_a_reset_is_another_connection() {
    check(
        &[Case {
            name: "with the same ISN",
            script: "< S 0; > R.; listen; < S 0; > S.; < . 1/0/1; accept; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
            right: &["refused server/no_listener", SERVER_CLOSED],
            captured: Some(&["refused server/unknown", SERVER_CLOSED]),
        }],
        &[],
    );
}
