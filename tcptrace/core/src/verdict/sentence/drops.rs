//! What sentences say of segments that the kernel of this host dropped.

use super::{name, push};
use crate::{
    event::KernelName,
    verdict::{OpeningDrops, SegmentDrops},
};

/// Appends the segments of a handshake that this host dropped.
pub(crate) fn push_drops(text: &mut String, dropped: Option<OpeningDrops>) {
    let Some(OpeningDrops { reason, of_synack, segments, ends_of }) = dropped else { return };
    push(text, format_args!("; {} dropped the {}", who(reason), if of_synack { "SYN,ACK" } else { "SYN" }));
    match segments {
        1 => {}
        2 => text.push_str(" twice"),
        times => push(text, format_args!(" {times} times")),
    }
    push_reason(text, reason);
    if let Some(number) = ends_of {
        push(text, format_args!(": its NAT had given it the ends of #{number}, which is open"));
    }
}

/// Appends other segments that this host dropped.
pub(crate) fn push_segment_drops(text: &mut String, dropped: Option<SegmentDrops>) {
    let Some(SegmentDrops { sender, reason, segments }) = dropped else { return };
    push(text, format_args!("; {} dropped ", who(reason)));
    match segments {
        1 => text.push_str("a segment"),
        count => push(text, format_args!("{count} segments")),
    }
    push(text, format_args!(" of the {}", name(sender)));
    push_reason(text, reason);
}

fn is_by_netfilter(reason: KernelName) -> bool {
    reason.as_str() == "NETFILTER_DROP"
}

fn who(reason: KernelName) -> &'static str {
    if is_by_netfilter(reason) { "netfilter on this host" } else { "this host" }
}

/// Appends the kernel's word for the reason, unless who dropped them says it all.
fn push_reason(text: &mut String, reason: KernelName) {
    if !is_by_netfilter(reason) {
        push(text, format_args!(" ({reason})"));
    }
}
