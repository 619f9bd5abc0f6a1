//! Random entries of a recording.

use proptest::{collection::vec, option, prelude::*};
use tcptrace_ebpf::{KIND_COUNTED_STATE, KIND_DROP, KIND_HINT, KIND_ICMP, KIND_SEGMENT, KIND_STATE};

use super::*;

fn record() -> impl Strategy<Value = Vec<u8>> {
    let kinds = [
        (KIND_STATE, 128),
        (KIND_COUNTED_STATE, 160),
        (KIND_SEGMENT, 136),
        (KIND_ICMP, 96),
        (KIND_HINT, 72),
        (KIND_DROP, 136),
    ];
    // Few different bytes: neighbours have much in common, and states are often valid.
    (
        prop::sample::select(kinds.to_vec()),
        vec(prop_oneof![4 => Just(0), 2 => 1..12_u8, 1 => any::<u8>()], MAX_RECORD),
        0..9_usize,
    )
        .prop_map(|((kind, length), mut bytes, more)| {
            bytes.truncate(length + more);
            bytes[20] = kind;
            bytes
        })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(addr, port)| Endpoint { addr: addr.to_canonical(), port })
}

fn process() -> impl Strategy<Value = Process> {
    (any::<u32>(), any::<[u8; 16]>()).prop_map(|(pid, comm)| Process { pid, comm: Comm(comm) })
}

fn looked_up() -> impl Strategy<Value = Event> {
    let times = || (any::<u64>(), any::<u64>()).prop_map(|(at, asked)| (BootTime(at), BootTime(asked)));
    let sources = prop::sample::select(vec![
        OwnerSource::Event,
        OwnerSource::SockDiag,
        OwnerSource::Listener,
        OwnerSource::Capture,
    ]);
    let ends = || (endpoint(), endpoint());
    let state = || prop::sample::select(TcpState::ALL.to_vec());
    prop_oneof![
        (times(), any::<bool>(), option::of(any::<u32>()), ends(), option::of(process()), sources).prop_map(
            |((at, asked), early, netns, (local, remote), process, source)| {
                Event::Owner(SocketOwner { at, asked, early, netns, local, remote, process, source })
            }
        ),
        (times(), option::of(any::<u32>()), endpoint(), any::<u32>(), option::of(process())).prop_map(
            |((at, asked), netns, local, sockets, process)| {
                Event::Listener(ListenerOwner { at, asked, netns, local, sockets, process })
            }
        ),
        (
            times(),
            option::of(any::<u32>()),
            ends(),
            state(),
            (any::<bool>(), any::<u32>(), option::of(any::<u64>()), any::<u32>(), any::<bool>()),
            option::of(any::<u32>()),
            any::<u64>()
        )
            .prop_map(|((at, asked), netns, (local, remote), state, counts, segment_size, stuck_ns)| {
                let (unaccepted, unacked_bytes, acked_bytes, retransmissions, window_closed) = counts;
                Event::Report(SocketReport {
                    at,
                    asked,
                    netns,
                    conn_netns: None,
                    local,
                    remote,
                    state,
                    unaccepted,
                    unacked_bytes,
                    acked_bytes,
                    retransmissions,
                    window_closed,
                    segment_size,
                    stuck_ns,
                })
            }),
        (times(), ends(), option::of(state()), any::<[bool; 2]>(), option::of(any::<(u32, u32)>())).prop_map(
            |((at, _), (local, remote), state, [queue_full, of_requests], queue)| {
                Event::Hint(Hint {
                    at,
                    socket: None,
                    netns: None,
                    conn_netns: None,
                    local,
                    remote,
                    name: if of_requests { HintName::SynQueue } else { HintName::AcceptQueue },
                    reason: None,
                    state,
                    queue_full,
                    queue: queue.map(|(length, limit)| AcceptQueue { length, limit }),
                })
            }
        ),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let time = || any::<u64>().prop_map(BootTime);
    let source = prop::sample::select(vec![LossSource::State, LossSource::Segment, LossSource::Recursion]);
    prop_oneof![
        4 => looked_up().prop_map(Entry::LookedUp),
        1 => (option::of(1..u32::MAX), any::<u32>(), option::of(any::<bool>()), ".{0,9}")
            .prop_map(|(netns, index, bridge, name)| Entry::Interface(Interface { netns, index, bridge, name })),
        1 => (any::<u64>(), "(/[a-z.]{0,9}){0,4}")
            .prop_map(|(key, path)| Entry::Cgroup(CgroupKey(key), Cgroup::of_path(&path).into())),
        1 => time().prop_map(Entry::Time),
        1 => (time(), source, any::<u64>()).prop_map(|(at, source, total)| Entry::Total(at, source, total)),
        1 => (time(), any::<u64>()).prop_map(|(at, count)| Entry::LeftOut(at, count)),
        1 => any::<bool>().prop_map(|across_namespaces| Entry::Setup(Setup { across_namespaces, reasons: reasons() })),
    ]
}

pub(super) fn reasons() -> KernelReasons {
    let resets = [(1, ResetReason::NotSpecified), (2, ResetReason::Other(77))].into_iter().collect();
    KernelReasons { resets, drops: [(0, KernelName::new("NETFILTER_DROP").unwrap())].into_iter().collect() }
}

pub(super) fn written() -> impl Strategy<Value = Vec<Written>> {
    let one = prop_oneof![
        6 => record().prop_map(Written::Record),
        2 => entry().prop_map(|entry| Written::Entry(Box::new(entry))),
        1 => Just(Written::End),
    ];
    vec(one, 0..60)
}
