//! Fields that few connections need, apart from the others so that those stay small.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::{AccurateEcn, Connection, Side, by_side::BySide};
use crate::{
    correlate::table::{paths::Paths, sides::OtherSide},
    event::{AcceptQueue, BootTime, Endpoint, KernelName, SocketReport},
    verdict::{IcmpAnswer, IcmpReport, OpeningDrops},
};

/// Fields that few connections need.
#[derive(Clone, Debug, Default)]
pub(in crate::correlate) struct Rare {
    /// The local end and the remote one, until the local port is known.
    pub(in crate::correlate) loose: Option<[Endpoint; 2]>,
    /// The namespace, until the local port is known.
    pub(super) netns: Option<u32>,
    /// An ICMP error that quoted its SYN or its SYN,ACK.
    pub(in crate::correlate) icmp: Option<IcmpAnswer>,
    /// The last ICMP error that quoted a later segment of each end.
    pub(in crate::correlate) later_icmp: BySide<Option<IcmpReport>>,
    /// The translation of its addresses that the kernel forgot, if it did.
    pub(in crate::correlate) nat_forgot: Option<NatForgot>,
    /// Segments of its handshake that this host's kernel dropped.
    pub(in crate::correlate) drops: Option<OpeningDrops>,
    /// Other segments of each end that this host's kernel dropped.
    pub(in crate::correlate) later_drops: BySide<Option<LaterDrops>>,
    /// Network namespace that its SYN reached when it was last sent again, as far as was seen: its listener may be there. `None`
    /// if the SYN left that by an interface other than loopback.
    pub(in crate::correlate) syn_reached: Option<u32>,
    /// Accept queue of the listener, as the kernel last reported it.
    pub(in crate::correlate) queue: Option<AcceptQueue>,
    /// Requests of the listener, as the kernel last reported them, if SYN cookies are off.
    pub(in crate::correlate) syn_queue: Option<AcceptQueue>,
    /// Address of a listener for the server's end that the kernel did not find for the SYN.
    pub(in crate::correlate) passed_over: Option<IpAddr>,
    /// True if its listener's accept queue was full when the SYN,ACK was last sent again.
    pub(in crate::correlate) listener_full: bool,
    /// True if its listener waits for data (TCP_DEFER_ACCEPT).
    pub(in crate::correlate) defers: bool,
    /// True if the handshake's ACK carried no data, so that the listener, which waits for data, made no socket.
    pub(in crate::correlate) deferred: bool,
    /// True if its socket was restored with TCP_REPAIR, without a handshake.
    pub(in crate::correlate) restored: bool,
    /// The end of which the other one, in FIN_WAIT2, acknowledged one number that was not seen, and when.
    pub(in crate::correlate) acked_unseen_fin: Option<(Side, BootTime)>,
    /// The other sides of an address translation.
    pub(in crate::correlate) other_sides: Vec<OtherSide>,
    /// Namespaces that it passes besides the one by which it is known.
    pub(in crate::correlate) passes: SmallVec<[u32; 4]>,
    /// Namespaces of the sockets at its ends, if other than the connection's.
    pub(super) end_netns: BySide<Option<u32>>,
    /// Time since which it stalls, if later than the beginning of its handshake or close.
    pub(in crate::correlate) stalled_from: Option<BootTime>,
    /// The last reports of the sockets at its ends, if one of them made no progress.
    pub(in crate::correlate) reports: BySide<Option<Noted>>,
    /// Encapsulations of its segments, if some had one.
    pub(in crate::correlate::table) paths: Option<Paths>,
    /// Negotiation of Accurate ECN.
    pub(in crate::correlate) accurate_ecn: AccurateEcn,
}

/// The end of an address translation in the middle of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct NatForgot {
    pub(in crate::correlate) at: BootTime,
    /// True if a program deleted it.
    pub(in crate::correlate) deleted: bool,
    /// Nanoseconds since the last event of the connection, if every segment comes.
    pub(in crate::correlate) idle_ns: Option<u64>,
}

/// Segments of one end that this host's kernel dropped for one reason, without a long pause in between.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct LaterDrops {
    pub(in crate::correlate) reason: KernelName,
    pub(in crate::correlate) segments: u32,
    /// Time of the last one.
    pub(in crate::correlate) last: BootTime,
    /// The segment that was dropped last.
    pub(in crate::correlate) again: SentAgain,
}

/// A segment that was dropped, and then when it was sent again, and so on: nothing has acknowledged it.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct SentAgain {
    pub(in crate::correlate) seq: u32,
    /// True if it carries no data, but a FIN.
    pub(in crate::correlate) fin: bool,
    /// Number of times.
    pub(in crate::correlate) times: u32,
    /// Time of the first.
    pub(in crate::correlate) first: BootTime,
    /// Number of reported stalls of the established connection.
    pub(in crate::correlate) told: u32,
}

/// The last report of a socket that was placed.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Noted {
    pub(in crate::correlate) report: SocketReport,
    /// Time since which the socket makes no progress.
    pub(in crate::correlate) since: BootTime,
    /// Number of reported stalls of the established connection.
    pub(in crate::correlate) told: u32,
}

impl Connection {
    /// Returns the fields that few connections need.
    pub(in crate::correlate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Returns the same for writing, creating them if necessary.
    pub(in crate::correlate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Returns the local end and the remote one while the local port is unknown.
    pub(in crate::correlate) fn loose(&self) -> Option<[Endpoint; 2]> {
        self.rare.as_ref()?.loose
    }

    /// Returns an ICMP error that quoted its SYN or its SYN,ACK.
    pub(in crate::correlate) fn icmp(&self) -> Option<IcmpAnswer> {
        self.rare.as_ref()?.icmp
    }

    /// Returns the last ICMP error about what an end sent after the handshake.
    pub(in crate::correlate) fn later_icmp(&self, side: Side) -> Option<IcmpReport> {
        *self.rare()?.later_icmp.of(side)
    }

    /// Returns true if its listener waits for data although the handshake's ACK came.
    pub(in crate::correlate) fn is_deferred(&self) -> bool {
        self.rare().is_some_and(|rare| rare.deferred)
    }

    /// Returns true if its socket was restored with TCP_REPAIR, without a handshake.
    pub(in crate::correlate) fn is_restored(&self) -> bool {
        self.rare().is_some_and(|rare| rare.restored)
    }

    /// Returns the end of which the other one, in FIN_WAIT2, acknowledged one number that was not seen, and when.
    pub(in crate::correlate) fn acked_unseen_fin(&self) -> Option<(Side, BootTime)> {
        self.rare()?.acked_unseen_fin
    }

    /// Returns the kernel's last report of the socket at an end.
    pub(in crate::correlate) fn report(&self, side: Side) -> Option<Noted> {
        *self.rare()?.reports.of(side)
    }

    /// Takes the namespaces that it passes besides its own, for a new generation.
    pub(in crate::correlate) fn take_passes(&mut self) -> SmallVec<[u32; 4]> {
        self.rare.as_mut().map(|rare| std::mem::take(&mut rare.passes)).unwrap_or_default()
    }
}
