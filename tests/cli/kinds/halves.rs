//! Captures of one direction, of a part, or in another order.

use super::check;

#[test]
fn one_direction_proves_what_it_can() {
    check(&[
        (
            "the server's: it acknowledges more than a SYN",
            "< S. 0/0/1; < . 1/0/19; < P. 1/500/19; < F. 501/0/19; < . 502/0/20",
            &["established; unfinished server 18/500"],
        ),
        (
            "the server's: it has sent more than a SYN,ACK",
            "< S. 0/0/1; < P. 1/500/1; < F. 501/0/1",
            &["established; unfinished server 0/500"],
        ),
        ("the server's, and no more than its SYN,ACK", "< S. 0/0/1; 1s; < S. 0/0/1", &["unanswered"]),
        (
            "the client's",
            "> S 0; > . 1/0/1; > P. 1/18/1; > . 19/0/501; > F. 19/0/501; > . 20/0/502",
            &["established; unfinished client 18/500"],
        ),
        (
            "the server's, which resets",
            "< S. 0/0/1; < P. 1/500/19; < R. 501/0/19",
            &["established; reset server server/unknown 18/500"],
        ),
    ]);
}

#[test]
fn what_began_before_is_unseen() {
    check(&[
        (
            "closed by the server",
            "> P. 500/10/700; < . 700/0/510; < F. 700/0/510; > F. 510/0/701; < . 701/0/511",
            &["unseen; three_segment server -/-"],
        ),
        (
            "reset by the server",
            "> P. 500/10/700; < . 700/0/510; < R. 700/0/510",
            &["unseen; reset server server/unknown -/-"],
        ),
        (
            "the last ACK of a connection says nothing",
            "> . 500/0/700; 5s; > S 0 @77777777; < S. 0/0/1 @88888888; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; three_segment client 0/0"],
        ),
    ]);
}

#[test]
fn an_answer_may_be_captured_before_its_question() {
    check(&[
        (
            "the SYN,ACK",
            "< S. 0/0/1; > S 0; > . 1/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; three_segment client 0/0"],
        ),
        ("the reset", "< R. 0/0/1; > S 0", &["refused server/unknown"]),
        (
            "the ACK",
            "> S 0; > . 1/0/1; < S. 0/0/1; > F. 1/0/1; < F. 1/0/2; > . 2/0/2",
            &["established; three_segment client 0/0"],
        ),
    ]);
}
