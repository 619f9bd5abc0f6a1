//! One record of each kind, to be changed by tests.

use tcptrace_ebpf::{DIRECTION_OUT, FAMILY_V4, FAMILY_V6, NO_UID};

use super::*;

pub(super) fn words(addr: &str) -> Address {
    let addr: IpAddr = addr.parse().expect("an address");
    let octets = match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    };
    Address::read_from_bytes(&octets).expect("16 bytes")
}

pub(super) fn header(kind: u8) -> RecordHeader {
    RecordHeader { boot_ns: 5_000_000_001, socket: 0xffff_8881_0000_4242, lost: 7, kind, family: FAMILY_V4, flags: 0 }
}

pub(super) fn syn_record() -> SegmentRecord {
    let mut tcp = [0; 60];
    let bytes = [
        0xd5, 0xea, 0x27, 0x0f, 0xb1, 0x43, 0x1b, 0x78, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xd7, 0, 0, 0, 0, 2, 4, 0xff,
        0xd7,
    ];
    tcp[..bytes.len()].copy_from_slice(&bytes);
    SegmentRecord {
        netns: 0,
        pad: 0,
        socket_port: 0,
        header: header(KIND_SEGMENT),
        src: words("127.0.0.1"),
        dst: words("127.0.0.1"),
        ifindex: 1,
        ip_payload: 24,
        gso_segs: 0,
        direction: DIRECTION_OUT,
        captured: 24,
        tcp,
    }
}

pub(super) fn close_record() -> StateRecord {
    StateRecord {
        header: RecordHeader { family: FAMILY_V6, ..header(KIND_STATE) },
        cgroup: 77,
        netns: 4_026_531_840,
        error: 111,
        pid: 0,
        tid: 0,
        local_port: 43210,
        remote_port: 9999,
        proof: 0,
        old_state: 2,
        new_state: 7,
        comm: [0; 2],
        thread: [0; 2],
        local_addr: words("2001:db8::1"),
        remote_addr: words("2001:db8::2"),
        exit_code: 9,
        uid: NO_UID,
    }
}

pub(super) fn hint_record() -> HintRecord {
    HintRecord {
        header: header(KIND_HINT),
        netns: 4_026_531_840,
        reason: 1,
        local_port: 9999,
        remote_port: 43210,
        flags: HINT_QUEUE_FULL,
        hint: HINT_SEND_RESET,
        socket_state: 10,
        local_addr: words("127.0.0.1"),
        remote_addr: words("127.0.0.2"),
    }
}

pub(super) fn drop_record() -> DropRecord {
    let mut location = [0; 48];
    location[..12].copy_from_slice(b"nf_hook_slow");
    DropRecord {
        header: header(KIND_DROP),
        src: words("10.0.0.1"),
        dst: words("10.0.0.2"),
        ifindex: 0,
        netns: 0,
        reason: 12,
        seq: 7,
        length: 18,
        src_port: 40000,
        dst_port: 80,
        flags: 0xfe02,
        pad: [0; 3],
        location: FromBytes::read_from_bytes(&location).expect("48 bytes"),
    }
}
