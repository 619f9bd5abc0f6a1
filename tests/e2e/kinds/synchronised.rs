//! Segments that the receiver of an open connection does not accept.

use super::{Case, check};

const SERVER_CLOSED: &str = "established; four_segment server 0/0";

#[test]
fn a_fin_that_the_receiver_does_not_accept_closes_nothing() {
    check(
        &[
            Case {
                name: "beyond the window",
                script: "ACCEPTED; < F. 1000000/0/1; > .; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "without ACK",
                script: "ACCEPTED; < F 1; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "with SYN",
                script: "ACCEPTED; < SF. 1/0/1; > .; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "with an ACK of what was never sent",
                script: "ACCEPTED; < F. 1/0/900000; > .; close; > F.; < . 1/0/2; < F. 1/0/2; > .",
                right: &[SERVER_CLOSED],
                captured: None,
            },
            Case {
                name: "below the window",
                script: "ACCEPTED; < P. 1/50/1; > .; read 50; < F. -900/0/1; > .; close; > F.; < . 51/0/2; < F. 51/0/2; > .",
                right: &["established; four_segment server 50/0"],
                captured: None,
            },
        ],
        &[],
    );
}

#[test]
fn an_ack_of_what_was_never_sent_proves_no_bytes() {
    check(
        &[
            Case {
                name: "far ahead",
                script: "ACCEPTED; < . 1/0/900000; > .; < P. 1/7/1; > .; read 7; close; > F.; < . 8/0/2; < F. 8/0/2; > .",
                right: &["established; four_segment server 7/0"],
                captured: None,
            },
            Case {
                name: "a little ahead",
                script: "ACCEPTED; < . 1/0/40; > .; < P. 1/7/1; > .; read 7; close; > F.; < . 8/0/2; < F. 8/0/2; > .",
                right: &["established; four_segment server 7/0"],
                captured: None,
            },
        ],
        &[],
    );
}

#[test]
fn bytes_are_those_that_were_accepted() {
    check(
        &[
            Case {
                name: "behind a FIN",
                script: "ACCEPTED; < F. 1/0/1; > .; < P. 2/50/1; close; > F.; < . 2/0/2",
                right: &["established; four_segment client 0/0"],
                captured: None,
            },
            Case {
                name: "a reset that is only challenged",
                script: "ACCEPTED; < R 9000; > .; < P. 1/7/1; > .; read 7; close; > F.; < . 8/0/2; < F. 8/0/2; > .",
                right: &["established; four_segment server 7/0"],
                captured: None,
            },
            Case {
                name: "a reset with payload",
                script: "ACCEPTED; < P. 1/7/1; > .; < R. 8/20/1",
                right: &["established; reset client client/unknown 7/0"],
                captured: None,
            },
            Case {
                name: "data beyond the window",
                script: "ACCEPTED; < P. 1/7/1; > .; < P. 1000000/30/1; > .; read 7; close; > F.; < . 8/0/2; < F. 8/0/2; > .",
                right: &["established; four_segment server 7/0"],
                captured: None,
            },
        ],
        &[],
    );
}

#[test]
fn a_reset_that_is_only_challenged_is_none() {
    check(
        &[Case {
            name: "while the close is unfinished",
            script: "ACCEPTED; shutdown; > F.; < . 1/0/2; < R 5000; > .",
            right: &["established; unfinished server 0/0"],
            captured: None,
        }],
        &[],
    );
}

#[test]
fn a_forged_syn_neither_ends_nor_splits_a_connection() {
    let script = |syn: &'static str| {
        let script = format!("ACCEPTED; {syn}; > .; < P. 1/7/1; > .; read 7; close; > F.; < . 8/0/2; < F. 8/0/2; > .");
        &*Box::leak(script.into_boxed_str())
    };
    // The SYN itself counts as a connection without an answer, until tracing ends.
    let right = &["established; four_segment server 7/0", "unanswered"];
    let case = |name, syn| Case { name, script: script(syn), right, captured: None };
    check(&[case("near", "< S 5000"), case("in place", "< S 1"), case("far", "< S 900000000")], &[]);
}

#[test]
fn a_fin_that_meets_a_close_that_is_over_does_no_harm() {
    check(
        &[Case {
            name: "the server's FIN_WAIT2 has expired",
            script: "ACCEPTED; close; > F.; < . 1/0/2; gone; < F. 1/0/2; > R",
            right: &["established; reset server server/late_fin 0/0"],
            captured: None,
        }],
        &[("ipv4/tcp_fin_timeout", "1")],
    );
}
