//! Handshakes: segments that answer a SYN, and segments that do not.

use super::check;

/// The server closes first, the client afterwards.
const CLOSED: &str = "< F. 1/0/1; > . 1/0/2; > F. 1/0/2; < . 2/0/2";

const SERVER_CLOSED: &str = "established; four_segment server 0/0";

/// Plays beginnings followed by an ordinary end.
fn check_opening(rows: &[(&'static str, &'static str, &'static [&'static str])]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|&(name, script, right)| {
            let script: &'static str = Box::leak(script.replace("CLOSED", CLOSED).into_boxed_str());
            (name, script, right)
        })
        .collect();
    check(&rows);
}

#[test]
fn what_a_client_in_syn_sent_refuses_is_no_answer() {
    check_opening(&[
        (
            "the ACK of a connection that the server still has (RFC 9293, figure 9)",
            "> S 0; < . 7000/0/3000; > R 3000; 1s; > S 0; < S. 0/0/1; > . 1/0/1; CLOSED",
            &[SERVER_CLOSED],
        ),
        (
            "a stale ACK far from the SYN",
            "> S 0; < . 9000000/0/-900000; > R -900000; 3s; > S 0; < S. 0/0/1; > . 1/0/1; CLOSED",
            &[SERVER_CLOSED],
        ),
        (
            "a SYN,ACK that acknowledges what was never sent",
            "> S 0; < S. 0/0/999; > R 999; 1s; > S 0; < S. 0/0/1; > . 1/0/1; CLOSED",
            &[SERVER_CLOSED],
        ),
        (
            "a SYN,ACK that acknowledges nothing",
            "> S 0; < S. 0/0/0; > R 0; 1s; > S 0; < S. 0/0/1; > . 1/0/1; CLOSED",
            &[SERVER_CLOSED],
        ),
        ("a FIN", "> S 0; < F. 1/0/1; < S. 0/0/1; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        ("a reset that acknowledges nothing", "> S 0; < R 1; < S. 0/0/1; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        ("a reset that acknowledges too much", "> S 0; < R. 0/0/77; < S. 0/0/1; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        (
            "a SYN,ACK that echoes a timestamp nobody sent",
            "> S 0 ts=500,0; < S. 0/0/1 ts=1000,9999; > R 1; 1s; > S 0 ts=1500,0; < S. 0/0/1 ts=2000,1500; \
             > . 1/0/1 ts=1501,2000; < F. 1/0/1 ts=2001,1501; > . 1/0/2 ts=1502,2001; > F. 1/0/2 ts=1503,2001; \
             < . 2/0/2 ts=2002,1503",
            &[SERVER_CLOSED],
        ),
    ]);
}

#[test]
fn a_request_survives_what_it_does_not_accept() {
    check_opening(&[
        ("a reset beyond the window", "> S 0; < S. 0/0/1; > R 1000000; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        ("SYN and RST in one", "> S 0; < S. 0/0/1; > SR 0; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        (
            "an ACK of what was never sent",
            "> S 0; < S. 0/0/1; > . 1/0/900000; < R 900000; > . 1/0/1; CLOSED",
            &[SERVER_CLOSED],
        ),
        ("a FIN without ACK", "> S 0; < S. 0/0/1; > F 1; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        ("SYN, FIN and RST in one", "> S 0; > SFR 0; < S. 0/0/1; > . 1/0/1; CLOSED", &[SERVER_CLOSED]),
        (
            "SYN, FIN and RST in one opens nothing",
            "> SFR 0; > S 0 @5000; < S. 0/0/1; > . 1/0/1; CLOSED",
            // It resets the connection that it requests.
            &["reset client/unknown", SERVER_CLOSED],
        ),
    ]);
}

#[test]
fn a_handshake_that_failed_is_told_by_what_answered() {
    check(&[
        ("a reset", "> S 0; < R. 0/0/1", &["refused server/unknown"]),
        ("nothing", "> S 0; 1s; > S 0; 2s; > S 0", &["unanswered"]),
        ("no ACK", "> S 0; < S. 0/0/1; 1s; < S. 0/0/1", &["unanswered"]),
        ("the client resets", "> S 0; < S. 0/0/1; > R 1", &["reset client/unknown"]),
        ("the server resets", "> S 0; < S. 0/0/1; < R. 1/0/1", &["reset server/unknown"]),
        ("ICMP, no route", "> S 0; < icmp 3/1", &["unreachable"]),
        ("ICMP, rejected", "> S 0; < icmp 3/3", &["refused"]),
        (
            "an ICMP error before everything else hides no handshake",
            "> S 0; < icmp 4/0; > S 0; < S. 0/0/1; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; three_segment client 0/0"],
        ),
    ]);
}

#[test]
fn data_in_a_syn_is_the_connections_once_it_is_acknowledged() {
    check(&[
        (
            "Fast Open",
            "> S 0/10; < S. 0/0/11; > . 11/0/1; < F. 1/0/11; > F. 11/0/2; < . 2/0/12",
            &["fast_open established; three_segment server 10/0"],
        ),
        (
            "refused data is sent again",
            "> S 0/10; < S. 0/0/1; > P. 1/10/1; < . 1/0/11; < F. 1/0/11; > F. 11/0/2; < . 2/0/12",
            &["established; three_segment server 10/0"],
        ),
        (
            "the server answers before the handshake is over",
            "> S 0/10; < S. 0/0/11; < P. 1/20/11; > . 11/0/21; < F. 21/0/11; > F. 11/0/22; < . 22/0/12",
            &["fast_open established; three_segment server 10/20"],
        ),
        (
            "the server closes before the handshake is over",
            "> S 0/10; < S. 0/0/11; < F. 1/0/11; > . 11/0/2; > F. 11/0/2; < . 2/0/12",
            &["fast_open established; four_segment server 10/0"],
        ),
        ("the server resets", "> S 0/10; < S. 0/0/11; < R. 1/0/11", &["fast_open reset server/unknown"]),
    ]);
}

#[test]
fn syns_that_cross_are_one_connection() {
    check(&[
        (
            "both acknowledged",
            "> S 0; < S 0; > S. 0/0/1; < S. 0/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["simultaneous established; three_segment client 0/0"],
        ),
        (
            "with data at once",
            "> S 0; < S 0; > S. 0/0/1; < S. 0/0/1; > P. 1/7/1; < P. 1/9/8; > F. 8/0/10; < F. 10/0/9; > . 9/0/11",
            &["simultaneous established; three_segment client 7/9"],
        ),
        (
            "acknowledged by plain ACKs",
            "> S 0; < S 0; > . 1/0/1; < . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["simultaneous established; three_segment client 0/0"],
        ),
        ("refused", "> S 0; < S 0; > S. 0/0/1; < R. 1/0/1", &["simultaneous reset server/unknown"]),
    ]);
}
