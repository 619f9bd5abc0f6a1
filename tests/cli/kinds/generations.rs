//! Several connections between the same two ends.

use super::check;

#[test]
fn a_second_attempt_is_another_connection() {
    check(&[
        (
            "with the same ISN after a reset",
            "> S 0; < R. 0/0/1; 0.48s; > S 0; < S. 0/0/1; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["refused server/unknown", "established; three_segment client 0/0"],
        ),
        (
            "with another ISN after a reset",
            "> S 0; < R. 0/0/1; 0.48s; > S 0 @40; < S. 0/0/1; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["refused server/unknown", "established; three_segment client 0/0"],
        ),
        (
            "thrice",
            "> S 0; < R. 0/0/1; 0.5s; > S 0; < R. 0/0/1; 0.5s; > S 0; < R. 0/0/1",
            &["refused server/unknown", "refused server/unknown", "refused server/unknown"],
        ),
        (
            "out of TIME_WAIT, a little ahead",
            "OPEN; > F. 1/0/1; < F. 1/0/2; > . 2/0/2; 0.4s; > S 0 @70000; < S. 0/0/1 @90000; > . 1/0/1; < F. 1/0/1; \
             > F. 1/0/2; < . 2/0/2",
            &["established; three_segment client 0/0", "established; three_segment server 0/0"],
        ),
        (
            "at once behind a reset",
            "OPEN; > R. 1/0/1; > S 0 @123456; < S. 0/0/1 @654321; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; reset client client/unknown 0/0", "established; three_segment client 0/0"],
        ),
        (
            "a SYN sent again, for which no answer was seen",
            "> S 0; 1s; > S 0; 2s; > S 0; < S. 0/0/1; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; three_segment client 0/0"],
        ),
        (
            "a SYN sent again with another ISN",
            "> S 0; 1s; > S 0 @5000000; < S. 0/0/1; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["unanswered", "established; three_segment client 0/0"],
        ),
        (
            "the roles change",
            "OPEN; > F. 1/0/1; < F. 1/0/2; > . 2/0/2; 2s; < S 0 @7777777; > S. 0/0/1 @8888888; < . 1/0/1; < F. 1/0/1; \
             > F. 1/0/2; < . 2/0/2",
            &["established; three_segment client 0/0", "established; three_segment client 0/0"],
        ),
    ]);
}

#[test]
fn a_host_that_has_lost_its_connection_resets_the_old_one() {
    check(&[
        (
            "a new SYN near the old one",
            "OPEN; > P. 1/7/1; < . 1/0/8; 5s; > S 0 @900000; < . 1/0/-899992; > R -899992; 1s; > S 0; \
             < S. 0/0/1 @5000000; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            // The old connection's numbers are below the new one's.
            &["established; reset client client/no_connection 7/0", "established; three_segment client 0/0"],
        ),
        (
            "a new SYN far from the old one",
            "OPEN; > P. 1/7/1; < . 1/0/8; 5s; > S 0 @1900000000; < . 1/0/-1899999992; > R -1899999992; 1s; > S 0; \
             < S. 0/0/1 @5000000; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; reset client client/no_connection 7/0", "established; three_segment client 0/0"],
        ),
        (
            "without data",
            "OPEN; 5s; > S 0 @1900000000; < . 1/0/-1899999999; > R -1899999999; 1s; > S 0; < S. 0/0/1 @5000000; \
             > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; reset client client/no_connection 0/0", "established; three_segment client 0/0"],
        ),
        (
            "whose ACK was not captured",
            "OPEN; > P. 1/7/1; < . 1/0/8; 5s; > S 0 @1900000000; > R -1899999992; 1s; > S 0; < S. 0/0/1 @5000000; \
             > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; reset client client/no_connection 7/0", "established; three_segment client 0/0"],
        ),
        (
            "which it had closed",
            "OPEN; > F. 1/0/1; < . 1/0/2; 70s; > S 0 @1900000000; < . 1/0/-1899999998; > R -1899999998; 1s; > S 0; \
             < S. 0/0/1 @5000000; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; reset client client/unknown 0/0", "established; three_segment client 0/0"],
        ),
    ]);
}

#[test]
fn a_forged_syn_neither_ends_nor_splits_a_connection() {
    let right = &["established; four_segment server 7/0", "unanswered"];
    check(&[
        (
            "near",
            "OPEN; > S 5000; < . 1/0/1; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > . 8/0/2; > F. 8/0/2; < . 2/0/9",
            right,
        ),
        (
            "in place",
            "OPEN; > S 1; < . 1/0/1; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > . 8/0/2; > F. 8/0/2; < . 2/0/9",
            right,
        ),
        (
            "between data, of which some was not captured",
            "OPEN; > P. 1/7/1; < . 1/0/8; > S 10; < . 4001/0/8; > P. 8/7/1; < . 4001/0/15; > . 15/0/4001; < F. 4001/0/15; \
             > . 15/0/4002; > F. 15/0/4002; < . 4002/0/16",
            &["established; four_segment server 14/4000", "unanswered"],
        ),
        (
            "far",
            "OPEN; > S 900000000; < . 1/0/1; > P. 1/7/1; < . 1/0/8; < F. 1/0/8; > . 8/0/2; > F. 8/0/2; < . 2/0/9",
            right,
        ),
    ]);
}
