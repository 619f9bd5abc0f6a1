//! The ends of connections: segments that end one, and segments that do not.

use super::check;

#[test]
fn a_reset_is_its_senders_and_its_cause_is_what_the_segments_prove() {
    check(&[
        (
            "data meets a closed socket, whose FIN nobody has acknowledged",
            "OPEN; < F. 1/0/1; > P. 1/100/1; < R 1",
            &["established; reset server server/data_after_close 100/0"],
        ),
        (
            "data meets a closed socket, whose FIN is acknowledged",
            "OPEN; < F. 1/0/1; > . 1/0/2; 5s; > P. 1/100/2; < R 2",
            &["established; reset server server/data_after_close 100/0"],
        ),
        (
            "a bare reset behind its sender's FIN: data met a closed socket, and was acknowledged before",
            "OPEN; > P. 1/100/1; < F. 1/0/101; > . 101/0/2; > P. 101/7/2; < R 2",
            &["established; reset server server/data_after_close 107/0"],
        ),
        (
            "a FIN meets a close that has expired",
            "OPEN; < F. 1/0/1; > . 1/0/2; 65s; > F. 1/0/2; < R 2",
            &["established; reset server server/late_fin 0/0"],
        ),
        (
            "in mid-connection, with ACK",
            "OPEN; > P. 1/7/1; < . 1/0/8; < R. 1/0/8",
            &["established; reset server server/unknown 7/0"],
        ),
        (
            "an end that has just acknowledged data knows the connection",
            "OPEN; > P. 1/7/1; < . 1/0/8; > P. 8/7/1; < R. 1/0/15",
            &["established; reset server server/unknown 14/0"],
        ),
        (
            "an end that has lost its connection answers without ACK",
            "OPEN; > P. 1/7/1; < P. 1/9/8; > . 8/0/10; 60s; > P. 8/7/10; < R 10",
            &["established; reset server server/no_connection 14/9"],
        ),
        (
            "before both FINs are acknowledged",
            "OPEN; > F. 1/0/1; < F. 1/0/1; > R. 2/0/2; < . 2/0/2",
            &["established; reset client client/unknown 0/0"],
        ),
        (
            "behind the close, it only shows that TIME_WAIT is gone",
            "OPEN; > F. 1/0/1; < F. 1/0/2; > . 2/0/2; < F. 1/0/2; > R 2",
            &["established; three_segment client client/unknown 0/0"],
        ),
        (
            "of both ends at once, the first to be seen",
            "OPEN; < R. 1/0/1; > R. 1/0/1",
            &["established; reset server server/unknown 0/0"],
        ),
        (
            "with payload, which is not data",
            "OPEN; > P. 1/7/1; < . 1/0/8; < R. 1/30/8",
            &["established; reset server server/unknown 7/0"],
        ),
    ]);
}

#[test]
fn what_the_receiver_does_not_accept_ends_nothing() {
    check(&[
        (
            "a reset that is only challenged",
            "OPEN; > R 9000; < . 1/0/1; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > F. 8/0/2; < . 2/0/9",
            &["established; three_segment server 7/0"],
        ),
        (
            "a reset far beyond the window",
            "OPEN; > R 900000000; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > F. 8/0/2; < . 2/0/9",
            &["established; three_segment server 7/0"],
        ),
        (
            "a reset below the window",
            "OPEN; > P. 1/70/1; < . 1/0/71; > R 30; > P. 71/7/1; < . 1/0/78; < F. 1/0/78; > F. 78/0/2; < . 2/0/79",
            &["established; three_segment server 77/0"],
        ),
        (
            "a FIN beyond the window",
            "OPEN; > F. 1000000/0/1; < . 1/0/1; < F. 1/0/1; > . 1/0/2; > F. 1/0/2; < . 2/0/2",
            &["established; four_segment server 0/0"],
        ),
        (
            "a FIN without ACK",
            "OPEN; > F 1; < F. 1/0/1; > . 1/0/2; > F. 1/0/2; < . 2/0/2",
            &["established; four_segment server 0/0"],
        ),
        (
            "SYN and FIN",
            "OPEN; > SF. 1/0/1; < . 1/0/1; < F. 1/0/1; > . 1/0/2; > F. 1/0/2; < . 2/0/2",
            &["established; four_segment server 0/0"],
        ),
        (
            "a FIN that acknowledges what was never sent",
            "OPEN; > F. 1/0/900000; < . 1/0/1; < F. 1/0/1; > . 1/0/2; > F. 1/0/2; < . 2/0/2",
            &["established; four_segment server 0/0"],
        ),
        (
            "a FIN below the window",
            "OPEN; > P. 1/50/1; < . 1/0/51; > F. -900/0/1; < . 1/0/51; < F. 1/0/51; > . 51/0/2; > F. 51/0/2; < . 2/0/52",
            &["established; four_segment server 50/0"],
        ),
        (
            "an old FIN by its timestamp",
            "> S 0 ts=100,0; < S. 0/0/1 ts=900,100; > . 1/0/1 ts=100,900; > P. 1/7/1 ts=150,900; < . 1/0/8 ts=950,150; \
             > F. 8/0/1 ts=90,900; < . 1/0/8 ts=951,150; > P. 8/7/1 ts=160,951; < . 1/0/15 ts=960,160; \
             < F. 1/0/15 ts=961,160; > . 15/0/2 ts=170,961; > F. 15/0/2 ts=171,961; < . 2/0/16 ts=970,171",
            &["established; four_segment server 14/0"],
        ),
        (
            "a reset that is challenged while the close is unfinished",
            "OPEN; < F. 1/0/1; > . 1/0/2; > R 5000; < . 2/0/1",
            &["established; unfinished server 0/0"],
        ),
    ]);
}

#[test]
fn bytes_are_those_that_were_accepted() {
    check(&[
        (
            "data beyond an accepted FIN",
            "OPEN; > F. 1/0/1; < . 1/0/2; > P. 2/50/1; < F. 1/0/2; > . 2/0/2",
            &["established; four_segment client 0/0"],
        ),
        (
            "data beyond the window",
            "OPEN; > P. 1/7/1; < . 1/0/8; > P. 1000000/30/1; < . 1/0/8; < F. 1/0/8; > F. 8/0/2; < . 2/0/9",
            &["established; three_segment server 7/0"],
        ),
        (
            "an ACK of what was never sent",
            "OPEN; > . 1/0/900000; < . 1/0/1; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > . 8/0/2; > F. 8/0/2; < . 2/0/9",
            &["established; four_segment server 7/0"],
        ),
        (
            "an ACK of a little more than was sent",
            "OPEN; > . 1/0/40; < . 1/0/1; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > . 8/0/2; > F. 8/0/2; < . 2/0/9",
            &["established; four_segment server 7/0"],
        ),
        (
            "the number of a reset in mid-air",
            "OPEN; < R 357918411; < F. 1/0/1; > F. 1/0/2; < . 2/0/2",
            &["established; three_segment server 0/0"],
        ),
        (
            "a frame is missing, as the acknowledgement shows",
            "OPEN; < . 1/0/501; > P. 501/7/1; < . 1/0/508; < F. 1/0/508; > F. 508/0/2; < . 2/0/509",
            &["established; three_segment server 507/0"],
        ),
        (
            "keep-alive probes are none",
            "OPEN; > P. 1/7/1; < . 1/0/8; 60s; > . 7/0/1; < . 1/0/8; 60s; > . 7/1/1; < . 1/0/8; < F. 1/0/8; > F. 8/0/2; \
             < . 2/0/9",
            &["established; three_segment server 7/0"],
        ),
        (
            "a probe of a closed window that is accepted is one",
            "OPEN; > P. 1/7/1; < . 1/0/8; > P. 8/1/1; < . 1/0/9; < F. 1/0/9; > F. 9/0/2; < . 2/0/10",
            &["established; three_segment server 8/0"],
        ),
    ]);
}

#[test]
fn who_closed_first_is_told_by_the_numbers_and_not_by_the_times() {
    check(&[
        ("three segments", "OPEN; > F. 1/0/1; < F. 1/0/2; > . 2/0/2", &["established; three_segment client 0/0"]),
        (
            "four segments",
            "OPEN; > F. 1/0/1; < . 1/0/2; < F. 1/0/2; > . 2/0/2",
            &["established; four_segment client 0/0"],
        ),
        (
            "data acknowledges the FIN",
            "OPEN; > F. 1/0/1; < P. 1/9/2; < F. 10/0/2; > . 2/0/11",
            &["established; four_segment client 0/9"],
        ),
        ("crossed", "OPEN; > F. 1/0/1; < F. 1/0/1; > . 2/0/2; < . 2/0/2", &["established; simultaneous 0/0"]),
        (
            "a FIN that was lost behind this place",
            "OPEN; > F. 1/0/1; 0.2s; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; three_segment client 0/0"],
        ),
        (
            "a FIN with the last data, sent again without it",
            "OPEN; > FP. 1/7/1; 0.2s; > F. 8/0/1; < F. 1/0/9; > . 9/0/2",
            &["established; three_segment client 7/0"],
        ),
        (
            "nothing behind the first FIN",
            "OPEN; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > . 8/0/2",
            &["established; unfinished server 7/0"],
        ),
    ]);
}
