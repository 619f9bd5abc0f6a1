//! VLAN tags: the kernel takes the outermost one off the frame and keeps it in metadata; the others stay in the bytes.

use tcptrace_tests::{Netns, Tap};

use super::{start, wait_verdicts, wire::Wire};

const CUSTOMER_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

#[test]
fn connections_behind_vlan_tags() {
    const PORT: u16 = 4808;
    let tags: [&[(u16, u16)]; 4] =
        [&[], &[(CUSTOMER_TAG, 5)], &[(SERVICE_TAG, 6)], &[(SERVICE_TAG, 6), (CUSTOMER_TAG, 5)]];
    let netns = Netns::new();
    let tap = Tap::new(&netns, "tap0");
    let tracer = start(&netns, &[PORT]);
    let shapes = [false, true].into_iter().flat_map(|v6| tags.into_iter().map(move |tags| (v6, tags)));
    let wires: Vec<_> = shapes
        .zip(5800..)
        .map(|((v6, tags), port)| {
            let wire = Wire::new(v6, port, PORT);
            wire.packets().iter().for_each(|packet| tap.send(tags, packet, usize::MAX));
            wire
        })
        .collect();
    wait_verdicts(&tracer, &netns, wires.len(), wires.len());
    let trace = tracer.stop();
    let verdicts = trace.verdicts(&netns);
    assert_eq!(verdicts.len(), wires.len());
    verdicts.iter().zip(wires).for_each(|(verdicts, wire)| wire.plain(&netns).check(verdicts));
}
