//! The options that tracing and `tcptrace top` share: which connections, from where, and how they are drawn.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::Args;

use super::{Attach, Color, RingSize, Segments, values};
use tcptrace_core::filter::{Glob, HostSet, Only, PortSet};

/// The options that tracing and `tcptrace top` share.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Choices {
    /// Only connections with one of these ports at either end
    ///
    /// A comma-separated list of ports and ranges, such as 80,443,8000-8100. May be repeated. A connection is shown
    /// only if all filters match; while tracing, they are applied in the kernel.
    #[arg(short, long, value_name = "LIST", help_heading = "Filters", allow_negative_numbers = true)]
    pub port: Vec<PortSet>,

    /// Only connections with one of these ports at the local end
    #[arg(long, value_name = "LIST", help_heading = "Filters", allow_negative_numbers = true)]
    pub local_port: Vec<PortSet>,

    /// Only connections with one of these ports at the remote end
    #[arg(long, value_name = "LIST", help_heading = "Filters", allow_negative_numbers = true)]
    pub remote_port: Vec<PortSet>,

    /// Only connections with one of these addresses at either end
    ///
    /// A comma-separated list of IPv4 and IPv6 addresses and prefixes, such as 192.0.2.1,10.0.0.0/8,::1. Bits beyond
    /// the prefix length are ignored. May be repeated.
    #[arg(long, value_name = "LIST", help_heading = "Filters")]
    pub host: Vec<HostSet>,

    /// Only IPv4, including IPv4 over IPv6 sockets
    #[arg(short = '4', help_heading = "Filters", conflicts_with = "ipv6")]
    pub ipv4: bool,

    /// Only IPv6
    #[arg(short = '6', help_heading = "Filters")]
    pub ipv6: bool,

    /// Only this interface; may be repeated [default: all that are up]
    ///
    /// By default every interface that is up is watched, including those that come up later.
    #[arg(short, long, value_name = "NAME", help_heading = "Filters", value_parser = values::interface)]
    pub interface: Vec<String>,

    /// Only connections of these network namespaces; may be repeated
    ///
    /// `own` is that of tcptrace itself, `all` are all of this host, including those that come later; any other is a name of
    /// `ip netns` or docker, the PID of a process in it, or a path. The default is `all`; with --interface, and in a PID namespace
    /// other than the host's, as in a container, it is `own`.
    #[arg(long, value_name = "own|all|NAME|PID|PATH", help_heading = "Filters", conflicts_with_all = ["interface", "read"], value_parser = values::netns)]
    pub netns: Vec<String>,

    /// Only connections of these processes, at either end
    ///
    /// A comma-separated list of process IDs. May be repeated. One end must match all of --pid, --comm, --uid, --unit
    /// and
    /// --container that are given. A connection is shown from its beginning as soon as one of its ends is known to match.
    /// These filters are applied after tracing, including to --write.
    #[arg(long, value_name = "LIST", help_heading = "Filters", value_delimiter = ',', value_parser = values::pid)]
    pub pid: Vec<u32>,

    /// Only connections of processes or threads with these names, at either end
    ///
    /// A comma-separated list of names, such as nginx,python3*; `*` and `?` stand for other characters. The kernel
    /// keeps 15 bytes of a name. May be repeated.
    #[arg(long, value_name = "LIST", help_heading = "Filters", value_delimiter = ',')]
    pub comm: Vec<Glob>,

    /// Only connections of these users, at either end
    ///
    /// A comma-separated list of names or numbers of the users who made or accepted the socket. May be repeated.
    #[arg(long, value_name = "LIST", help_heading = "Filters", value_delimiter = ',', value_parser = values::uid)]
    pub uid: Vec<u32>,

    /// Only connections of these systemd units, at either end
    ///
    /// A comma-separated list of names, with `*` and `?` for other characters; `.service` may be omitted. May be
    /// repeated.
    #[arg(long, value_name = "LIST", help_heading = "Filters", value_delimiter = ',')]
    pub unit: Vec<Glob>,

    /// Only connections of these containers, at either end
    ///
    /// A comma-separated list of names of containers or Kubernetes pods, with `*` and `?` for other characters, UIDs of
    /// pods, or the first digits of a container's ID, at least 4. May be repeated.
    #[arg(long, value_name = "LIST", help_heading = "Filters", value_delimiter = ',')]
    pub container: Vec<Glob>,

    /// Which segments to show
    #[arg(long, value_name = "WHICH", help_heading = "Filters", value_enum, default_value_t)]
    pub segments: Segments,

    /// Show only these connections
    ///
    /// A comma-separated list of words: `failed` (not established, reset or timed out), `stalled`, `slow` (see --slow),
    /// `all`, or any outcome, kind or cause of a handshake, close or reset, such as refused,unread_data. A connection is
    /// shown if one of the words holds. `!` in front excludes: '!three_segment,!four_segment'. A connection is shown as
    /// a whole once its verdict is known, so connections may be out of order. It affects stdout and --count, but not
    /// --write.
    #[arg(long, value_name = "LIST", help_heading = "Output", value_parser = values::OnlyParser, hide_possible_values = true)]
    pub only: Vec<Only>,

    /// Handshakes that take this long are slow, such as 300ms
    #[arg(long, value_name = "TIME", help_heading = "Output", value_parser = values::duration, default_value = "1s")]
    pub slow: Duration,

    /// Show absolute sequence numbers in text
    ///
    /// By default they are relative to each end's initial sequence number, once that is known.
    #[arg(short = 'S', long, help_heading = "Output")]
    pub absolute_seq: bool,

    /// When to use colors
    ///
    /// `auto` uses them on terminals, unless the environment variable NO_COLOR is set and not empty.
    #[arg(long, value_name = "WHEN", help_heading = "Output", value_enum, default_value_t)]
    pub color: Color,

    /// Read captures or recordings instead of tracing this host; - is stdin
    ///
    /// A pcap or pcapng file, or the output of --write or --json. No privileges are needed, and all filters but --netns
    /// apply. A capture holds neither socket states nor processes, so these stay unknown. Up to 16 files of several
    /// hosts are merged: a connection that several of them saw is shown once, with what each knows about it.
    #[arg(short, long, value_name = "FILE", help_heading = "Input", num_args = 1..)]
    pub read: Vec<PathBuf>,

    /// Size of the ring buffer between the kernel and tcptrace, a power of two
    ///
    /// From 4KiB to 1GiB. Records that do not fit are counted and reported as lost.
    #[arg(long, value_name = "SIZE", help_heading = "Limits", default_value_t)]
    pub ring_buffer: RingSize,

    /// Remember at most this many connections
    ///
    /// At most an eighth may be connections of which only a SYN was seen. When there are more, these are forgotten
    /// first, then those that ended longest ago, then those that have been silent longest. The end record counts the
    /// connections that were forgotten before they ended.
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = values::connections, default_value_t = values::DEFAULT_MAX_CONNECTIONS)]
    pub max_connections: NonZeroU32,

    /// Ignore the kernel's type information (BTF), as if it had none
    #[arg(long, hide = true)]
    pub no_btf: bool,

    /// Read sockets through a helper, as if the kernel refused programs that load from them
    #[arg(long, hide = true)]
    pub no_typed_loads: bool,

    /// Way of attaching to interfaces
    #[arg(long, value_name = "HOW", hide = true, value_enum, default_value_t)]
    pub attach: Attach,
}

impl Choices {
    /// Returns true if there are filters on processes.
    pub(super) fn names_processes(&self) -> bool {
        let Self { pid, comm, uid, unit, container, .. } = self;
        !(pid.is_empty() && comm.is_empty() && uid.is_empty() && unit.is_empty() && container.is_empty())
    }
}
