//! The hot path allocates no memory: the cost of an event must not depend on the allocator.

#[path = "../benches/events/traffic.rs"]
mod traffic;

use allocation_counter::measure;
use tcptrace_core::{
    correlate::Correlator,
    decode::ring,
    describe::Describer,
    event::KernelReasons,
    render::{Json, Render as _},
};

use self::traffic::{CONCURRENT, NETNS, RECORDS, Records, Traffic};

/// The path from the bytes of the ring to JSON.
struct Path {
    reasons: KernelReasons,
    connections: Correlator,
    describer: Describer,
    out: Vec<u8>,
}

impl Path {
    /// Creates a path that has handled so much that hardly anything still has to grow.
    fn warm(traffic: &mut Traffic) -> Self {
        let mut describer = Describer::default();
        describer.name_interface(None, 1, "lo");
        let (reasons, connections) = (KernelReasons::default(), Correlator::new(NETNS));
        let mut path = Self { reasons, connections, describer, out: Vec::with_capacity(1 << 20) };
        path.take(&traffic.listen());
        while traffic.connections() < 4 * CONCURRENT {
            path.take(&traffic.round());
        }
        path
    }

    fn take(&mut self, records: &Records) {
        let Self { reasons, connections, describer, out } = self;
        for bytes in records.iter() {
            let decoded = ring::decode(bytes, reasons).expect("a record of this build");
            connections.handle_event(&decoded.event, &mut |placed| {
                Json.render(&describer.entry(placed), out);
            });
            if out.len() > 1 << 19 {
                out.clear();
            }
        }
    }

    /// Returns the number of allocations for handling these records.
    fn allocations(&mut self, records: &Records) -> u64 {
        measure(|| self.take(records)).count_total
    }
}

#[test]
fn segments_of_established_connections_allocate_nothing() {
    let mut traffic = Traffic::new();
    let mut path = Path::warm(&mut traffic);
    let [opened, data, closed] = traffic.with_data(20);
    assert!(path.allocations(&opened) > 0, "nothing is counted");
    assert_eq!(data.iter().count() as u64, 40 * CONCURRENT);
    assert_eq!(path.allocations(&data), 0);
    path.take(&closed);
}

#[test]
fn a_connection_allocates_for_its_two_records_and_not_for_each_event() {
    let mut traffic = Traffic::new();
    let mut path = Path::warm(&mut traffic);
    let round = traffic.round();
    assert_eq!(round.iter().count() as u64, RECORDS * CONCURRENT);
    let each = path.allocations(&round) as f64 / CONCURRENT as f64;
    // Twenty-two: what the verdicts depend on at each end, two as it opens and, since most of these are dropped in between, two
    // as it closes; the facts of both sockets; two records with their sentences, two lists of states in the second, and three
    // for the Community ID of each record, which its library makes. Occasionally a table grows.
    assert!(each < 22.5, "{each} allocations for a connection");
}
