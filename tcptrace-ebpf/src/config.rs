//! What user space tells the kernel programs before it loads them. The values lie in read-only data, so the verifier
//! sees constants and drops every branch that cannot be taken.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// No record for any segment; the TC programs are not attached.
pub const SEGMENTS_NONE: u32 = 0;
/// Records for what opens and closes connections.
pub const SEGMENTS_CONTROL: u32 = 1;
/// A record for every TCP header.
pub const SEGMENTS_ALL: u32 = 2;

/// Bit of [`Config::matches`]: either end's port has to be in the bitmap [`PORTS_EITHER`].
pub const MATCH_PORTS: u32 = 1 << 0;
/// Bit of [`Config::matches`]: the local port has to be in the bitmap [`PORTS_LOCAL`].
pub const MATCH_LOCAL_PORTS: u32 = 1 << 1;
/// Bit of [`Config::matches`]: the remote port has to be in the bitmap [`PORTS_REMOTE`].
pub const MATCH_REMOTE_PORTS: u32 = 1 << 2;
/// Bit of [`Config::matches`]: either end's address has to be in the trie.
pub const MATCH_HOSTS: u32 = 1 << 3;
/// Bit of [`Config::matches`]: IPv4 only.
pub const MATCH_FAMILY_V4: u32 = 1 << 4;
/// Bit of [`Config::matches`]: IPv6 only.
pub const MATCH_FAMILY_V6: u32 = 1 << 5;
/// Bit of [`Config::matches`]: the socket has to use one of the interfaces in the map.
pub const MATCH_INTERFACES: u32 = 1 << 6;

/// 64-bit words of one port bitmap.
pub const PORT_WORDS: u32 = 65536 / 64;
/// Which of the three bitmaps holds `--port`.
pub const PORTS_EITHER: u32 = 0;
/// Which of the three bitmaps holds `--local-port`.
pub const PORTS_LOCAL: u32 = 1;
/// Which of the three bitmaps holds `--remote-port`.
pub const PORTS_REMOTE: u32 = 2;

/// How much of `struct sock_common` is read at once, in bytes: user space makes sure that all members wanted lie within.
pub const SOCKET_HEAD: usize = 104;

/// `PF_KTHREAD` of `task_struct.flags` (include/linux/sched.h): the task is a kernel thread.
pub const PF_KTHREAD: u32 = 0x0020_0000;

/// Sockets that may wait for their port or their peer to be known, where there is a filter.
pub const PENDING_SOCKETS: u32 = 16384;

/// Buckets of the table of watched flows, a power of two.
pub const WATCHED_BUCKETS: u32 = 1 << 15;

/// An offset in a layout that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Byte offsets within kernel structures, from the running kernel's BTF ([`ABSENT`] where a member does not exist).
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
pub struct SocketLayout {
    /// `sock_common.skc_daddr`
    pub daddr: u32,
    /// `sock_common.skc_rcv_saddr`
    pub rcv_saddr: u32,
    /// `sock_common.skc_dport`
    pub dport: u32,
    /// `sock_common.skc_num`
    pub num: u32,
    /// `sock_common.skc_family`
    pub family: u32,
    /// `sock_common.skc_net`
    pub net: u32,
    /// `sock_common.skc_v6_daddr`
    pub v6_daddr: u32,
    /// `sock_common.skc_v6_rcv_saddr`
    pub v6_rcv_saddr: u32,
    /// `sock.sk_protocol`
    pub protocol: u32,
    /// `sock.sk_err`
    pub err: u32,
    /// `inet_sock.inet_sport`, which outlives `skc_num` when a socket is closed
    pub sport: u32,
    /// `net.ns.inum`
    pub net_inum: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `sock.sk_dst_cache`
    pub dst_cache: u32,
    /// `dst_entry.dev`
    pub dst_dev: u32,
    /// `net_device.ifindex`
    pub dev_ifindex: u32,
    /// `sock_common.skc_flags`
    pub flags: u32,
    /// The bit of `SOCK_LINGER` in `skc_flags` (`enum sock_flags`)
    pub linger_bit: u32,
    /// `sock.sk_lingertime`
    pub lingertime: u32,
    /// `tcp_sock.copied_seq`
    pub copied_seq: u32,
    /// `tcp_sock.rcv_nxt`
    pub rcv_nxt: u32,
    /// The bit of `SOCK_DONE` in `skc_flags`: the other end's FIN has come
    pub done_bit: u32,
    /// `sock.sk_socket`
    pub socket: u32,
    /// `tcp_sock.is_mptcp`
    pub is_mptcp: u32,
    /// `sock.sk_rx_dst_ifindex` (`inet_sock.rx_dst_ifindex` before Linux 5.16)
    pub rx_ifindex: u32,
}

/// What the programs of the tracepoints `tcp:tcp_send_reset` and `tcp:tcp_retransmit_synack` need besides, from BTF too.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
pub struct HintLayout {
    /// `sock_common.skc_state`
    pub state: u32,
    /// `sock_common.skc_bound_dev_if`
    pub bound_dev: u32,
    /// `sock.sk_ack_backlog`
    pub ack_backlog: u32,
    /// `sock.sk_max_ack_backlog`
    pub max_ack_backlog: u32,
    /// `sk_buff.head`
    pub head: u32,
    /// `sk_buff.network_header`
    pub network_header: u32,
    /// `sk_buff.transport_header`
    pub transport_header: u32,
    /// `sk_buff.skb_iif`
    pub iif: u32,
    /// `sk_buff.dev`
    pub dev: u32,
    /// `net_device.nd_net`
    pub dev_net: u32,
    /// 1 where `tcp_send_reset` tells the reason too, else 0.
    pub has_reason: u32,
}

/// Byte offsets within the record of the tracepoint `sock:inet_sock_set_state`, from its `format` file in tracefs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
pub struct TracepointLayout {
    /// `const void *skaddr`
    pub skaddr: u32,
    /// `int oldstate`
    pub oldstate: u32,
    /// `int newstate`
    pub newstate: u32,
    /// `__u16 sport`, in the machine's order
    pub sport: u32,
    /// `__u16 dport`, in the machine's order
    pub dport: u32,
    /// `__u16 protocol`
    pub protocol: u32,
    /// `__u8 saddr_v6[16]`
    pub saddr_v6: u32,
    /// `__u8 daddr_v6[16]`
    pub daddr_v6: u32,
}

/// Everything the kernel programs are told.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct Config {
    /// Offsets for the raw tracepoint programs.
    pub socket: SocketLayout,
    /// Offsets for those whose records are hints.
    pub hints: HintLayout,
    /// Offsets for the tracepoint program.
    pub tracepoint: TracepointLayout,
    /// One of the `SEGMENTS_` constants.
    pub segments: u32,
    /// `MATCH_` bits: which filters there are. A record has to pass all of them.
    pub matches: u32,
    /// Inode number of the network namespace whose interfaces are watched.
    pub netns: u32,
    /// Index of the loopback interface, which has two ends here.
    pub loopback: u32,
    /// Random, so that nobody outside can aim at a slot of the table of watched flows.
    pub seed: u64,
}

impl Config {
    /// The contents of the object file before user space overrides them.
    pub const EMPTY: Self = Self {
        socket: SocketLayout {
            daddr: 0,
            rcv_saddr: 0,
            dport: 0,
            num: 0,
            family: 0,
            net: 0,
            v6_daddr: 0,
            v6_rcv_saddr: 0,
            protocol: 0,
            err: 0,
            sport: 0,
            net_inum: 0,
            task_flags: 0,
            dst_cache: 0,
            dst_dev: 0,
            dev_ifindex: 0,
            flags: 0,
            linger_bit: 0,
            lingertime: 0,
            copied_seq: 0,
            rcv_nxt: 0,
            done_bit: 0,
            socket: 0,
            is_mptcp: ABSENT,
            rx_ifindex: ABSENT,
        },
        hints: HintLayout {
            state: 0,
            bound_dev: 0,
            ack_backlog: 0,
            max_ack_backlog: 0,
            head: 0,
            network_header: 0,
            transport_header: 0,
            iif: 0,
            dev: 0,
            dev_net: 0,
            has_reason: 0,
        },
        tracepoint: TracepointLayout {
            skaddr: 0,
            oldstate: 0,
            newstate: 0,
            sport: 0,
            dport: 0,
            protocol: 0,
            saddr_v6: 0,
            daddr_v6: 0,
        },
        segments: SEGMENTS_CONTROL,
        matches: 0,
        netns: 0,
        loopback: 0,
        seed: 0,
    };
}
