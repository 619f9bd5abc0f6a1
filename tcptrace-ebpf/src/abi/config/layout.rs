//! Offsets of the kernel's data that the programs read. Each is described once, beside the field that holds it: user
//! space resolves the descriptions, and the programs read the fields.

mod description;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::description::{EventField, HeadMember, KernelValue, Place, SOCKET_HEAD};

/// The offset of something that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Defines a structure of offsets by descriptions of the values there.
macro_rules! layout {
    (
        $(#[$about:meta])*
        pub struct $name:ident from $source:ty {
            $($(#[$doc:meta])* $field:ident: $described:expr,)*
        }
    ) => {
        $(#[$about])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: u32,)*
        }

        impl $name {
            /// A layout of nothing: every field is [`ABSENT`].
            pub const EMPTY: Self = Self { $($field: ABSENT,)* };

            /// Asks `find` for every field's value.
            ///
            /// # Errors
            /// The first error of `find`.
            pub fn resolve<E>(mut find: impl FnMut(&$source) -> Result<u32, E>) -> Result<Self, E> {
                Ok(Self { $($field: find(&$described)?,)* })
            }
        }
    };
}

layout! {
    /// The fields of sockets that the programs read, as offsets in bytes unless stated otherwise.
    pub struct SocketLayout from KernelValue {
        /// Remote IPv4 address.
        daddr: KernelValue::head::<u32>("skc_daddr"),
        /// Local IPv4 address.
        rcv_saddr: KernelValue::head::<u32>("skc_rcv_saddr"),
        /// Remote port, in network order.
        dport: KernelValue::head::<u16>("skc_dport"),
        /// Local port, in the machine's order.
        num: KernelValue::head::<u16>("skc_num"),
        /// Address family.
        family: KernelValue::head::<u16>("skc_family"),
        /// Network namespace, a `struct net *`.
        net: KernelValue::head::<u64>("skc_net"),
        /// Remote IPv6 address.
        v6_daddr: KernelValue::head::<[u64; 2]>("skc_v6_daddr"),
        /// Local IPv6 address.
        v6_rcv_saddr: KernelValue::head::<[u64; 2]>("skc_v6_rcv_saddr"),
        /// Protocol.
        protocol: KernelValue::member("sock", "sk_protocol"),
        /// The error that a system call would report.
        err: KernelValue::member("sock", "sk_err"),
        /// Local port in network order. Unlike `skc_num`, it is still set when the socket closes.
        sport: KernelValue::member("inet_sock", "inet_sport"),
        /// Inode number of a `struct net`.
        net_inum: KernelValue::nested(("net", "ns"), ("ns_common", "inum")),
        /// Flags of a task, [`PF_KTHREAD`](super::PF_KTHREAD) among them.
        task_flags: KernelValue::member("task_struct", "flags"),
        /// First thread of a task's process, a `struct task_struct *`.
        group_leader: KernelValue::member("task_struct", "group_leader").optional(),
        /// Name of a thread, 16 bytes.
        task_comm: KernelValue::member("task_struct", "comm").optional(),
        /// Cached route, a `struct dst_entry *`.
        dst_cache: KernelValue::member("sock", "sk_dst_cache"),
        /// Interface of a route, a `struct net_device *`.
        dst_dev: KernelValue::member("dst_entry", "dev"),
        /// Index of an interface.
        dev_ifindex: KernelValue::member("net_device", "ifindex"),
        /// Flags of a socket, whose bits `enum sock_flags` numbers.
        flags: KernelValue::head::<u64>("skc_flags"),
        /// Number of the bit in `flags` for SO_LINGER; not an offset.
        linger_bit: KernelValue::enumerator("sock_flags", "SOCK_LINGER"),
        /// Time of SO_LINGER, in jiffies.
        lingertime: KernelValue::member("sock", "sk_lingertime"),
        /// Sequence number up to which the process has read.
        copied_seq: KernelValue::member("tcp_sock", "copied_seq"),
        /// Sequence number that is expected next.
        rcv_nxt: KernelValue::member("tcp_sock", "rcv_nxt"),
        /// Number of the bit in `flags` that is set when the other end's FIN has arrived; not an offset.
        done_bit: KernelValue::enumerator("sock_flags", "SOCK_DONE"),
        /// The `struct socket *` through which processes hold it.
        socket: KernelValue::member("sock", "sk_socket"),
        /// True for a subflow of MPTCP. Absent before Linux 5.6, and from kernels without MPTCP.
        is_mptcp: KernelValue::member("tcp_sock", "is_mptcp").optional(),
        /// Interface of the last received segment, used if there is no route. Linux 5.16 moved it.
        rx_ifindex: KernelValue::member("sock", "sk_rx_dst_ifindex").or_member("inet_sock", "rx_dst_ifindex").optional(),
        /// Time of TCP_LINGER2, in jiffies, below 0 for none.
        linger2: KernelValue::member("tcp_sock", "linger2").optional(),
        /// Offset in bits of the bit that TCP_REPAIR sets.
        repair: KernelValue::bit("tcp_sock", "repair").optional(),
        /// Offset in bits of the bit that is set while the SYN waits for data, before Linux 6.6.
        defer_connect: KernelValue::bit("inet_sock", "defer_connect").optional(),
        /// Flags of an internet socket, which have that bit since Linux 6.6.
        inet_flags: KernelValue::member("inet_sock", "inet_flags").optional(),
        /// Number of that bit in `inet_flags`; not an offset.
        defer_bit: KernelValue::enumerator("", "INET_FLAGS_DEFER_CONNECT").optional(),
        /// Control group in which it was created, a `struct cgroup *`. Before Linux 5.15 other data shares the field.
        cgroup: KernelValue::nested(("sock", "sk_cgrp_data"), ("sock_cgroup_data", "cgroup")).optional(),
        /// Folder of a control group, a `struct kernfs_node *`.
        cgroup_kn: KernelValue::member("cgroup", "kn").optional(),
        /// Its ID, the inode number.
        kn_id: KernelValue::member("kernfs_node", "id").optional(),
        /// User of the process that created it, as the initial user namespace numbers users.
        uid: KernelValue::member("sock", "sk_uid").optional(),
        /// The exit code of an exiting task, as wait(2) tells it.
        exit_code: KernelValue::member("task_struct", "exit_code").optional(),
        /// Sequence number after the last one that the process has written.
        write_seq: KernelValue::member("tcp_sock", "write_seq").optional(),
        /// Sequence number that is sent next.
        snd_nxt: KernelValue::member("tcp_sock", "snd_nxt").optional(),
        /// Window that the other end offers, in bytes.
        snd_wnd: KernelValue::member("tcp_sock", "snd_wnd").optional(),
        /// Smoothed round-trip time, in eighths of microseconds.
        srtt_us: KernelValue::member("tcp_sock", "srtt_us").optional(),
        /// Lowest recent round-trip time in microseconds: the first sample of a `struct minmax`.
        min_rtt_us: KernelValue::nested(("tcp_sock", "rtt_min"), ("minmax_sample", "v")).optional(),
        /// Segments sent again.
        total_retrans: KernelValue::member("tcp_sock", "total_retrans").optional(),
        /// Time at which it last sent data, in jiffies modulo 2^32.
        lsndtime: KernelValue::member("tcp_sock", "lsndtime").optional(),
        /// Time at which it last received data, in jiffies modulo 2^32.
        lrcvtime: KernelValue::inner("inet_connection_sock", "icsk_ack", "lrcvtime").optional(),
    }
}

layout! {
    /// Further fields that the programs of the tracepoints `tcp:tcp_send_reset` and `tcp:tcp_retransmit_synack` read,
    /// as offsets in bytes.
    pub struct HintLayout from KernelValue {
        /// State of a socket of any kind.
        state: KernelValue::head::<u8>("skc_state"),
        /// Index of the interface that a socket is bound to.
        bound_dev: KernelValue::head::<u32>("skc_bound_dev_if"),
        /// Connections in a listener's accept queue.
        ack_backlog: KernelValue::member("sock", "sk_ack_backlog"),
        /// Limit of that queue.
        max_ack_backlog: KernelValue::member("sock", "sk_max_ack_backlog"),
        /// Listener of a request, a `struct sock *`.
        listener: KernelValue::member("sock_common", "skc_listener").optional(),
        /// TCP_DEFER_ACCEPT of a listener, as a number of SYN,ACKs.
        defer_accept: KernelValue::nested(
            ("inet_connection_sock", "icsk_accept_queue"),
            ("request_sock_queue", "rskq_defer_accept"),
        )
        .optional(),
        /// Beginning of a buffer's memory, a pointer.
        head: KernelValue::member("sk_buff", "head"),
        /// Beginning of its network header, from `head`.
        network_header: KernelValue::member("sk_buff", "network_header"),
        /// Beginning of its transport header, from `head`.
        transport_header: KernelValue::member("sk_buff", "transport_header"),
        /// Index of the interface on which it arrived.
        iif: KernelValue::member("sk_buff", "skb_iif"),
        /// The interface that it is on, a `struct net_device *`.
        dev: KernelValue::member("sk_buff", "dev"),
        /// Network namespace of an interface, a `struct net *`.
        dev_net: KernelValue::member("net_device", "nd_net"),
    }
}

layout! {
    /// Further fields of a buffer that the program of the tracepoint `skb:kfree_skb` reads, as offsets in bytes.
    pub struct DropLayout from KernelValue {
        /// EtherType of a buffer, in network order.
        protocol: KernelValue::member("sk_buff", "protocol"),
        /// End of its linear part, from `head`, as 64-bit kernels keep it.
        tail: KernelValue::member("sk_buff", "tail"),
        /// Beginning of its data, a pointer.
        data: KernelValue::member("sk_buff", "data"),
        /// Bytes of its data, of all parts.
        len: KernelValue::member("sk_buff", "len"),
        /// The socket that it belongs to, a `struct sock *`.
        sk: KernelValue::member("sk_buff", "sk"),
        /// Its route, a `struct dst_entry *` whose lowest bit is a flag.
        refdst: KernelValue::member("sk_buff", "_skb_refdst"),
    }
}

layout! {
    /// Further fields that the iterator of sockets that processes hold reads, as offsets in bytes.
    pub struct HolderLayout from KernelValue {
        /// Inode number of a `struct socket`, from the beginning of its `struct socket_alloc`, which is that of the
        /// socket.
        inode: KernelValue::nested(("socket_alloc", "vfs_inode"), ("inode", "i_ino")),
        /// ID of a task's process.
        tgid: KernelValue::member("task_struct", "tgid"),
    }
}

layout! {
    /// Byte offsets within the record of the tracepoint `sock:inet_sock_set_state`, from its `format` file in tracefs.
    pub struct TracepointLayout from EventField {
        /// The socket, a `const void *`.
        skaddr: EventField::of::<u64>("skaddr"),
        /// The state that it leaves.
        oldstate: EventField::of::<i32>("oldstate"),
        /// The state that it enters.
        newstate: EventField::of::<i32>("newstate"),
        /// Local port, in the machine's order.
        sport: EventField::of::<u16>("sport"),
        /// Remote port, in the machine's order.
        dport: EventField::of::<u16>("dport"),
        /// Protocol.
        protocol: EventField::of::<u16>("protocol"),
        /// Local address, IPv4 as IPv4-mapped IPv6.
        saddr_v6: EventField::of::<[u8; 16]>("saddr_v6"),
        /// Remote address, IPv4 as IPv4-mapped IPv6.
        daddr_v6: EventField::of::<[u8; 16]>("daddr_v6"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_gets_the_value_of_its_own_description() {
        let layout = SocketLayout::resolve(|value| match value.place {
            Place::Member("inet_sock", "inet_sport") => Ok(7),
            Place::Enumerator("sock_flags", "SOCK_DONE") => Ok(8),
            Place::Nested([("net", "ns"), ("ns_common", "inum")]) => Ok(9),
            Place::Member("sock", "sk_rx_dst_ifindex") => {
                assert_eq!(value.alternative, Some(Place::Member("inet_sock", "rx_dst_ifindex")));
                assert!(value.optional);
                Ok(10)
            }
            _ => Ok::<_, ()>(0),
        });
        let expected =
            SocketLayout { sport: 7, done_bit: 8, net_inum: 9, rx_ifindex: 10, ..SocketLayout::new_zeroed() };
        assert_eq!(layout, Ok(expected));
        assert_eq!(TracepointLayout::resolve(|field| Err(field.name)), Err("skaddr"));
    }

    #[test]
    fn what_is_read_from_the_head_says_so_with_its_size() {
        let mut heads = 0;
        let mut count = |value: &KernelValue| {
            heads += usize::from(value.head.is_some());
            if value.place == Place::Member("sock_common", "skc_v6_daddr") {
                assert_eq!(value.head, Some(HeadMember { size: 16, align: 8 }));
            }
            Ok::<_, ()>(0)
        };
        SocketLayout::resolve(&mut count).expect("it finds everything");
        HintLayout::resolve(&mut count).expect("it finds everything");
        assert_eq!(heads, 11);
    }

    use zerocopy::FromZeros as _;
}
