//! Which views are one connection, and by which clock.

use super::*;
use crate::join::{candidates::Candidates, view::Member};

const REFUSED: [Seen; 2] = [(0, true, SYN, 0, 0), (300, false, TcpFlags(TcpFlags::RST.0 | ACK.0), 0, 1)];
const ELSEWHERE: [([u8; 4], u16); 2] = [([10, 9, 9, 9], 999), ([10, 8, 8, 8], 22)];

/// Moves segments to a later time, in microseconds.
fn later(seen: &[Seen], micros: i64) -> Vec<Seen> {
    seen.iter().map(|&(at, by_client, flags, seq, ack)| (at + micros, by_client, flags, seq, ack)).collect()
}

/// Returns the numbers of connections, and of those that are in both files.
fn counts(client: &[Conn<'_>], server: &[Conn<'_>]) -> (u64, u64) {
    let mut joiner = joiner(8);
    join(&mut joiner, [views_of(0, client), views_of(AHEAD, server)]);
    joiner.counts()
}

#[test]
fn equal_numbers_of_attempts_by_chance_join_nothing() {
    assert_eq!(counts(&[(INSIDE, 5, &REFUSED)], &[(ELSEWHERE, 5, &REFUSED)]), (2, 0), "nothing else is the same");
    // Nor if it is the same server, but another time.
    let (near, far, nearer) = (at_client(), at_server(), later(&REFUSED, 30_000_000));
    let both = [([10, 0, 0, 1], 40_001), ([192, 0, 2, 2], 80)];
    let server = [(both, 70_000, &far[..]), (OUTSIDE, 5, &nearer[..])];
    assert_eq!(counts(&[(both, 70_000, &near), (INSIDE, 5, &REFUSED)], &server), (3, 1));
    // It is behind a translation, and at the same time.
    let server = [(both, 70_000, &far[..]), (OUTSIDE, 5, &REFUSED[..])];
    assert_eq!(counts(&[(both, 70_000, &near), (INSIDE, 5, &REFUSED)], &server), (2, 2));
    // Both ends are translated: it waits for a view that fits better, of which there is none.
    let server = [(both, 70_000, &far[..]), (ELSEWHERE, 5, &REFUSED[..])];
    assert_eq!(counts(&[(both, 70_000, &near), (INSIDE, 5, &REFUSED)], &server), (2, 2));
}

#[test]
fn a_scanner_uses_one_number_for_all_ports() {
    let port = |port| [([10, 0, 0, 1], 50_000), ([192, 0, 2, 2], port)];
    // A firewall refuses the first, which the server therefore lacks.
    let (second, third) = (later(&REFUSED, 1_000), later(&REFUSED, 2_000));
    let client: [Conn<'_>; 3] = [(port(21), 5, &REFUSED), (port(22), 5, &second), (port(23), 5, &third)];
    let mut joiner = joiner(8);
    let records = join(&mut joiner, [views_of(0, &client), views_of(AHEAD, &client[1..])]);
    let joined = records.iter().filter_map(|record| match record {
        OutputRecord::Handshake(HandshakeOutput { joined: Some(joined), .. }) => Some(&joined.views),
        _ => None,
    });
    let mut ports: Vec<Vec<_>> = joined.map(|views| views.iter().map(|view| view.server.port).collect()).collect();
    ports.sort();
    assert_eq!(ports, [vec![Some(21)], vec![Some(22); 2], vec![Some(23); 2]]);
}

#[test]
fn both_sides_of_a_translation_in_one_file_are_one_connection() {
    let (near, far) = (at_client(), at_server());
    // The router sees each segment on its way.
    let inside = later(&near[1..], 0);
    let outside: Vec<Seen> = later(&near[1..], 0)
        .into_iter()
        .map(|(at, by_client, flags, seq, ack)| (at + if by_client { 10 } else { -10 }, by_client, flags, seq, ack))
        .collect();
    let hosts = [("web", 0), ("router", AHEAD), ("db", -AHEAD)];
    let router = || views_of(AHEAD, &[(INSIDE, 700, &inside), (OUTSIDE, 700, &outside)]);
    let files = [views(0, INSIDE, 700, &near), router(), views(-AHEAD, OUTSIDE, 700, &far)];
    let mut all = joiner_of(&hosts, 8);
    let records = join(&mut all, files);
    assert_eq!(all.counts(), (1, 1));
    let Some(OutputRecord::Close(CloseOutput { record, joined: Some(joined), .. })) = records.last() else {
        panic!("{records:?}")
    };
    let ends: Vec<_> = joined.views.iter().map(|view| (&*view.host, view.client.port)).collect();
    assert_eq!(ends, [("web", Some(40_000)), ("router", Some(40_000)), ("router", Some(1_024)), ("db", Some(1_024))]);
    assert!(record.same_as.is_none() && !record.summary.contains('#'), "numbers of one file: {}", record.summary);
    assert_eq!(joined.only_at, None);
    // Alone, it is one as well, and only there.
    let mut alone = joiner_of(&hosts, 8);
    let records = join(&mut alone, [Vec::new(), router(), Vec::new()]);
    assert_eq!(alone.counts(), (1, 0));
    let Some(OutputRecord::Close(CloseOutput { joined: Some(joined), .. })) = records.last() else {
        panic!("{records:?}")
    };
    assert_eq!(joined.only_at.as_deref(), Some("router"));
}

#[test]
fn a_clock_that_is_set_back_moves_no_connection_to_the_past() {
    let (near, far) = (at_client(), at_server());
    let before: Conn<'_> = (INSIDE, 1, &near);
    // A minute later by the true time, and by the server's clock at the time of the first one.
    let ends = [([10, 0, 0, 1], 40_001), ([192, 0, 2, 2], 80)];
    let after = later(&near, 60_000_000);
    let mut joiner = joiner(8);
    let mut server = views_of(AHEAD, &[(OUTSIDE, 1, &far)]);
    server.extend(views_of(AHEAD, &[(ends, 9, &far)]));
    let records = join(&mut joiner, [views_of(0, &[before, (ends, 9, &after)]), server]);
    assert_eq!(joiner.counts(), (2, 2));
    let closes = records.iter().filter_map(|record| match record {
        OutputRecord::Close(CloseOutput { joined: Some(joined), .. }) => Some(joined),
        _ => None,
    });
    let offsets: Vec<_> = closes.map(|joined| joined.views[1].clock_offset_ns.map(|ns| ns / 1_000_000_000)).collect();
    assert_eq!(offsets, [Some(4), Some(-55)]);
    let lasted = segments(&records).iter().map(|segment| segment.since_start_ns).max().flatten();
    assert!(lasted.is_some_and(|lasted| lasted < 2_000_000_000), "{lasted:?}");
}

#[test]
fn what_an_end_sent_was_seen_beside_it() {
    // This host sees one direction, and cannot tell the server's FIN from a byte.
    let (near, far) = (at_client(), at_server());
    let one_way: Vec<Seen> = near.iter().filter(|seen| seen.1).copied().collect();
    let hosts = [("web", 0), ("router", 0), ("db", AHEAD)];
    let files = [views(0, INSIDE, 7, &near), views(0, INSIDE, 7, &one_way), views(AHEAD, OUTSIDE, 7, &far)];
    let records = join(&mut joiner_of(&hosts, 8), files);
    let Some(OutputRecord::Close(CloseOutput { record, .. })) = records.last() else { panic!("{records:?}") };
    assert_eq!(
        (record.bytes.client_to_server, record.bytes.server_to_client),
        (Some(0), Some(0)),
        "{}",
        record.summary
    );
    assert!(record.summary.contains("; 0 B →, 0 B ←"), "{}", record.summary);

    // The reset tells the client's host how much was sent; the server's host got nothing of it.
    let reset = [(1_400_000, false, ACK, 1, 11), (1_500_000, true, TcpFlags::RST | ACK, 11, 1)];
    let near = [&near[..4], &reset].concat();
    let far = [&far[..3], &[(1_600_000, false, TcpFlags::RST | ACK, 1, 1)]].concat();
    let records = join(&mut joiner(8), [views(0, INSIDE, 7, &near), views(AHEAD, OUTSIDE, 7, &far)]);
    let Some(OutputRecord::Close(CloseOutput { record, .. })) = records.last() else { panic!("{records:?}") };
    let told = format!("{} B →", record.bytes.client_to_server.expect("known"));
    assert!(record.bytes.client_to_server == Some(10) && record.summary.contains(&told), "{}", record.summary);
}

#[test]
fn an_attempt_of_a_large_scan_with_one_number_is_compared_with_few_others() {
    let view = |ends| views(0, ends, 5, &REFUSED).pop().expect("one attempt");
    let from = |port| [([10, 0, 0, 1], port), ([192, 0, 2, 2], 80)];
    let attempts: Vec<[Member; 1]> = (0..=1_000).map(|port| [(0, Box::new(view(from(port))))]).collect();
    let views_of = |number: u64| &attempts[usize::try_from(number).expect("few")][..];
    let mut candidates = Candidates::new();
    (1..=1_000).for_each(|number| candidates.add(number, views_of));
    assert_eq!(candidates.alike(&view(ELSEWHERE)).next(), None, "nothing else is the same");
    let alike: Vec<u64> = candidates.alike(&view(from(700))).collect();
    assert!(alike.contains(&700) && alike.len() < 100, "{alike:?}");
    assert!((1..100).contains(&candidates.with_isn(5).count()));
    (1..=1_000).for_each(|number| candidates.remove(&views_of(number)[0].1, number));
    assert_eq!(candidates.with_isn(5).count(), 0);
}
