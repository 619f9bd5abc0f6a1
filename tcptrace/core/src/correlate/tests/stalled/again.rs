//! Repeated reports of a stall, and its end.

use super::*;

#[test]
fn what_is_left_for_days_is_told_every_ten_minutes() {
    const HOUR: u64 = 3600 * SECOND;
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(9), 0);
    exchange.pass(60 * HOUR);
    exchange.timeout();
    let stalls = stalls(&exchange);
    let first = stalls.first().expect("one after a second").at;
    let later: Vec<_> = stalls.iter().map(|stalled| stalled.at.since(first) / SECOND).collect();
    let every_ten_minutes = (1..).map(|count| 59 + 600 * count).take_while(|&after| after < 60 * 3600);
    assert_eq!(later, [0, 9, 59].into_iter().chain(every_ten_minutes).collect::<Vec<_>>());
}

#[test]
fn what_is_left_in_a_capture_is_not_told_of_hours_that_it_lacks() {
    const HOUR: u64 = 3600 * SECOND;
    let mut exchange = opened();
    exchange.may_pause();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, ACK, 1, Some(9), 0);
    exchange.pass(400 * 24 * HOUR);
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.pass(HOUR / 2);
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    let stalls = stalls(&exchange);
    let first = stalls.first().expect("one after a second").at;
    let minutes: Vec<_> = stalls.iter().map(|stalled| (stalled.at.since(first) + SECOND) / (60 * SECOND)).collect();
    let days = 400 * 24 * 60;
    let in_last_half_hour = [1, 11, 21].map(|minute| days + minute);
    assert_eq!(minutes, [&[0, 0, 1, 11, 21, 31, 41, 51], in_last_half_hour.as_slice()].concat());
}

#[test]
fn what_gets_on_is_not_told_and_what_does_not_is_told_less_and_less_often() {
    let mut exchange = opened();
    exchange.segment(CLIENT, SERVER, FIN, 8, Some(1), 0);
    exchange.segment(SERVER, CLIENT, FIN, 1, Some(9), 0);
    exchange.segment(CLIENT, SERVER, ACK, 9, Some(2), 0);
    exchange.pass(3 * SECOND);
    exchange.timeout();
    assert_eq!((stalls(&exchange), exchange.totals().ended), (vec![], 1));

    let mut exchange = Exchange::new();
    exchange.segment(CLIENT, SERVER, SYN, 0, None, 0);
    for _ in 0..62 {
        exchange.pass(SECOND);
        exchange.timeout();
    }
    let after: Vec<_> = stalls(&exchange).iter().map(|stalled| stalled.at.since(stalled.since) / SECOND).collect();
    assert_eq!(after, [1, 10, 60]);
}

#[test]
fn a_close_that_does_not_come_is_told_every_ten_minutes() {
    let mut exchange = opened_here();
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    for _ in 0..22 {
        exchange.pass(60 * SECOND);
        exchange.timeout();
    }
    let stalls = stalls(&exchange);
    let first = stalls.first().map(|stalled| stalled.at).expect("a stall");
    let after: Vec<_> = stalls.iter().map(|stalled| stalled.at.since(first) / SECOND + 1).collect();
    assert_eq!(after, [1, 10, 60, 660, 1260]);
    let number = stalls.len();
    let placed = exchange.finish_all();
    let stalls = placed.iter().filter(|placed| matches!(placed, Correlated::Stalled(_))).count();
    assert_eq!(stalls, number, "not again when tracing ends");
}

#[test]
fn what_stalls_when_tracing_ends_is_told_then() {
    let mut exchange = opened();
    exchange.state(CLIENT, SERVER, Established, CloseWait);
    let placed = exchange.finish_all();
    assert!(matches!(placed.last(), Some(Correlated::Stalled(record)) if record.conn == 1), "{placed:?}");
}
