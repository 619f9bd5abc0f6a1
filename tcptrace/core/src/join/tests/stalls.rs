//! Stalls and owners of sockets, which several hosts may know of.

use super::*;

/// The stalls among the records.
fn stalls<'a>(records: impl IntoIterator<Item = &'a OutputRecord>) -> Vec<&'a StalledOutput> {
    let stalled =
        |record: &'a OutputRecord| if let OutputRecord::Stalled(stalled) = record { Some(stalled) } else { None };
    records.into_iter().filter_map(stalled).collect()
}

/// Both views of a connection whose server acknowledges the client's FIN and sends its own four seconds later; each stall
/// has the name of its host as its sentence.
fn half_closed() -> [Vec<View>; 2] {
    let near = [
        &at_client()[..5],
        &[(1_500_600, false, ACK, 1, 2), (5_500_700, false, FIN | ACK, 1, 2), (5_500_800, true, ACK, 2, 2)],
    ];
    let far = [
        &at_server()[..4],
        &[(1_500_200, false, ACK, 1, 2), (5_500_300, false, FIN | ACK, 1, 2), (5_501_000, true, ACK, 2, 2)],
    ];
    let mut files = [views(0, INSIDE, 5, &near.concat()), views(AHEAD, OUTSIDE, 5, &far.concat())];
    for (views, host) in files.iter_mut().zip(["web", "db"]) {
        for record in views.iter_mut().flat_map(|view| &mut view.records) {
            if let Some(OutputRecord::Stalled(stalled)) = record {
                stalled.record.summary = host.into();
            }
        }
    }
    files
}

#[test]
fn a_stall_is_told_once_by_the_clock_and_the_addresses_of_the_client() {
    let files = half_closed();
    let counts = files.each_ref().map(|views| stalls(views[0].records()).len());
    assert!(counts == [2, 1], "that of the lost SYN, and that of the server's FIN: {counts:?}");
    let records = join(&mut joiner(8), files);
    let stalls = stalls(&records);
    assert_eq!(stalls.iter().map(|stalled| &*stalled.record.summary).collect::<Vec<_>>(), ["web", "web"]);
    for (stalled, began) in stalls.into_iter().zip([0, 1_500_000_000]) {
        let record = &stalled.record;
        assert_eq!((record.conn, record.client.port, record.server.port), (1, Some(40_000), Some(80)));
        let (since, at) = (stalled.since.0 - BEGAN, stalled.stamp.time.0 - BEGAN);
        assert!((0..1_000_000).contains(&(since - began)) && (900_000_000..1_100_000_000).contains(&(at - since)));
    }
}

#[test]
fn the_host_of_a_socket_tells_its_owner_and_why_it_stalls() {
    let mut files = half_closed();
    let [client, server] = OUTSIDE.map(|(addr, port)| EndpointOutput { addr: addr.into(), port: Some(port) });
    let time = WallTime(BEGAN + AHEAD + 1_600_000_000);
    let (mut state, mut owner) = (samples::state(), samples::owner());
    (state.conn, state.role, state.local, state.remote) = (Some(1), Some(Role::Server), server, Some(client));
    (owner.conn, owner.local, owner.remote) = (Some(1), server, Some(client));
    (state.stamp.time, owner.stamp.time) = (time, time);
    // The owner of another process, as the client's host cannot know it.
    let mut guess = owner.clone();
    let [near_client, near_server] = INSIDE.map(|(addr, port)| EndpointOutput { addr: addr.into(), port: Some(port) });
    (guess.pid, guess.local, guess.remote) = (Some(1), near_server, Some(near_client));
    add(&mut files[0][0], OutputRecord::Owner(guess));
    add(&mut files[1][0], OutputRecord::State(state));
    add(&mut files[1][0], OutputRecord::Owner(owner));

    let records = join(&mut joiner(8), files);
    assert_eq!(stalls(&records).iter().map(|stalled| &*stalled.record.summary).collect::<Vec<_>>(), ["web", "db"]);
    let owners: Vec<_> = records.iter().filter(|record| matches!(record, OutputRecord::Owner(_))).collect();
    let [OutputRecord::Owner(owner)] = owners[..] else { panic!("{owners:?}") };
    assert_eq!((owner.pid, owner.local, owner.remote), (Some(801), near_server, Some(near_client)));
    assert!(owner.stamp.time.0.abs_diff(BEGAN + 1_600_000_000) < 1_000_000, "by the client's clock");
}

#[test]
fn a_process_that_two_captures_name_is_told_once() {
    let mut files = half_closed();
    for (views, ends) in files.iter_mut().zip([INSIDE, OUTSIDE]) {
        let mut owner = samples::owner();
        let [client, server] = ends.map(|(addr, port)| EndpointOutput { addr: addr.into(), port: Some(port) });
        (owner.conn, owner.local, owner.remote) = (Some(1), server, Some(client));
        add(&mut views[0], OutputRecord::Owner(owner));
    }
    let records = join(&mut joiner(8), files);
    assert_eq!(records.iter().filter(|record| matches!(record, OutputRecord::Owner(_))).count(), 1);
}
