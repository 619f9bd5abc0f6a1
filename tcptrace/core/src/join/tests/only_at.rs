//! Segments that one host alone has.

use super::*;

#[test]
fn a_host_that_records_no_data_is_not_said_to_lack_it() {
    let data = [(1_100_000, true, ACK, 1, 1), (1_100_200, false, ACK, 1, 1)];
    let near = [&at_client()[..4], &data[..], &at_client()[4..]].concat();
    for all in [false, true] {
        let mut hosts = joiner(8);
        hosts.hosts.iter_mut().for_each(|host| host.all_segments = all);
        let records = join(&mut hosts, [views(0, INSIDE, 700, &near), views(AHEAD, OUTSIDE, 700, &at_server())]);
        let segments = segments(&records);
        let only = segments.iter().filter(|segment| segment.passage.as_ref().is_some_and(|at| at.sightings.len() == 1));
        let acks = only.filter(|segment| segment.flags == ACK).count();
        assert_eq!(acks, if all { 2 } else { 0 }, "{all}");
    }
}
