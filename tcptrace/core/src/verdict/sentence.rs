//! The one-sentence summary of each record: what happened, which end began it, and what to examine after a failure.

mod close;
mod drops;
mod handshake;
mod reset_cause;
mod unfinished;

use std::fmt::Write as _;

pub(crate) use self::{
    close::CloseFacts,
    drops::{push_drops, push_segment_drops},
    handshake::{Answer, HandshakeFacts, IGNORED_RESET, push_queue},
};
use crate::{
    event::{Exit, Role},
    text::{Escaped, HumanDuration},
    verdict::{Missing, NoSegments, SameAs},
};

/// Length of most sentences in bytes.
const USUAL: usize = 128;

fn push_common(text: &mut String, no_segments: Option<NoSegments>, same_as: Option<&[u64]>) {
    text.push_str(match no_segments {
        Some(NoSegments::OtherNamespace) => "; no segments: other network namespace",
        Some(NoSegments::NotWatched) => "; no segments: they passed no interface that is watched",
        Some(NoSegments::Translated) => "; no segments of its own: they pass with other addresses",
        None => "",
    });
    if let Some(numbers) = same_as {
        push(text, format_args!("{}", SameAs(numbers)));
    }
}

/// Appends that a reset, the end of which `how` tells, came in the name of an end whose host did not see it leave.
fn push_unsent_reset(text: &mut String, how: &str, by: Role, host: &str) {
    let (by, host) = (name(by), Escaped(host.as_bytes()));
    push(
        text,
        format_args!("{how} in the {by}'s name: {host} did not see it leave, as when a firewall on the way sends it"),
    );
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

/// Appends how the process of an end came to its end.
fn push_exit(text: &mut String, exit: Exit) {
    match exit {
        Exit { signal: Some(signal), .. } => push(text, format_args!("killed by signal {signal}")),
        Exit { code, .. } => {
            text.push_str("exiting");
            if let Some(code) = code.filter(|&code| code != 0) {
                push(text, format_args!(" with status {code}"));
            }
        }
    }
}

fn push_missing(text: &mut String, missing: &[Missing]) {
    for (index, missing) in missing.iter().enumerate() {
        text.push_str(if index == 0 { " (incomplete, not seen: " } else { ", " });
        text.push_str(match missing {
            Missing::Syn => "SYN",
            Missing::Synack => "SYN,ACK",
            Missing::Ack => "ACK",
            Missing::Fin => "FIN or RST",
            Missing::Data => "data before it",
            Missing::States => "states",
            Missing::Interface => "segments",
            Missing::Lost => "lost events",
        });
    }
    if !missing.is_empty() {
        text.push(')');
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}

/// An address translation that the kernel of this host forgot in the middle of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Forgotten {
    /// Nanoseconds from then to the reset, if one followed.
    pub(crate) before_ns: Option<u64>,
    /// Nanoseconds without a segment until then, if that is certain.
    pub(crate) idle_ns: Option<u64>,
    /// True if a program deleted it.
    pub(crate) deleted: bool,
}

/// Appends that the kernel of this host had forgotten how to translate the addresses.
fn push_forgotten(text: &mut String, forgotten: Option<Forgotten>) {
    let Some(Forgotten { before_ns, idle_ns, deleted }) = forgotten else { return };
    text.push_str("; the NAT of this host had forgotten it");
    if let Some(before) = before_ns {
        push(text, format_args!(" {} before", HumanDuration(before)));
    }
    text.push_str(if deleted { ": its conntrack entry was deleted" } else { ": its conntrack entry expired" });
    if let Some(idle) = idle_ns.filter(|_| !deleted) {
        push(text, format_args!(", idle for {}", HumanDuration(idle)));
    }
}
