//! Labels of the metrics. Their values are words of the JSON lines, from closed lists; only the names of processes come from
//! outside, so their number is limited.

use std::collections::HashSet;

use prometheus_client::encoding::EncodeLabelSet;

use tcptrace_core::{
    event::Comm,
    verdict::{Close, CloseEnd, Handshake, HandshakeEnd, Outcome, Role, Stalled},
};

/// Maximum number of distinct process names; the others are counted together as [`OTHERS`].
const MAX_NAMES: usize = 100;

/// The value of `process` for names beyond [`MAX_NAMES`]. No process can have it: a name has 15 bytes at most.
pub(super) const OTHERS: &str = "(all other processes)";

/// Names and values of labels in OpenTelemetry's spelling, without those that do not apply.
pub(crate) type Pairs = Vec<(&'static str, String)>;

/// Labels that can be enumerated.
pub(super) trait Labels {
    /// Returns the labels that apply.
    fn pairs(&self) -> Pairs;
}

/// OpenTelemetry's names of labels.
const ROLE: &str = "network.tcp.handshake.role";
const RESET_BY: &str = "network.tcp.reset.by";
const RESET_CAUSE: &str = "network.tcp.reset.cause";

fn that_apply<const N: usize>(labels: [(&'static str, &str); N]) -> Pairs {
    let applies = |(_, value): &(&str, &str)| !value.is_empty();
    labels.into_iter().filter(applies).map(|(name, value)| (name, value.to_owned())).collect()
}

/// The process names that have a value of their own.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<[u8; 16]>);

impl Names {
    /// Returns the value for a process; empty if it is unknown.
    fn of(&mut self, comm: Option<Comm>) -> String {
        let Some(comm) = comm else { return String::new() };
        if !self.0.contains(&comm.0) {
            if self.0.len() >= MAX_NAMES {
                return OTHERS.to_owned();
            }
            self.0.insert(comm.0);
        }
        comm.to_string()
    }
}

/// Labels of a handshake. A label that does not apply is empty, which is the same as absent.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct HandshakeLabels {
    /// The ends on this host: `client`, `server`, `both` or `none`.
    pub(super) network_tcp_handshake_role: &'static str,
    pub(super) kind: &'static str,
    pub(super) outcome: &'static str,
    pub(super) network_tcp_reset_cause: &'static str,
    pub(super) process: String,
}

impl HandshakeLabels {
    pub(super) fn new(handshake: &Handshake, outcome: Outcome, names: &mut Names) -> Self {
        let here = |end: &HandshakeEnd| Here::of(end.netns, end.comm);
        let (network_tcp_handshake_role, process) = of_ends(here(&handshake.client), here(&handshake.server));
        Self {
            network_tcp_handshake_role,
            kind: handshake.kind.into(),
            outcome: outcome.into(),
            network_tcp_reset_cause: handshake.reset.map_or("", |reset| reset.cause.into()),
            process: names.of(process),
        }
    }
}

impl Labels for HandshakeLabels {
    fn pairs(&self) -> Pairs {
        that_apply([
            (ROLE, self.network_tcp_handshake_role),
            ("kind", self.kind),
            ("outcome", self.outcome),
            (RESET_CAUSE, self.network_tcp_reset_cause),
            ("process", &self.process),
        ])
    }
}

/// Labels of a close.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct CloseLabels {
    pub(super) network_tcp_handshake_role: &'static str,
    pub(super) kind: &'static str,
    pub(super) initiator: &'static str,
    pub(super) network_tcp_reset_by: &'static str,
    pub(super) network_tcp_reset_cause: &'static str,
    pub(super) process: String,
}

impl CloseLabels {
    pub(super) fn new(close: &Close, names: &mut Names) -> Self {
        let here = |end: &CloseEnd| Here::of(end.netns, end.comm);
        let (network_tcp_handshake_role, process) = of_ends(here(&close.client), here(&close.server));
        Self {
            network_tcp_handshake_role,
            kind: close.kind.into(),
            initiator: close.initiator.map_or("", Role::word),
            network_tcp_reset_by: close.reset.map_or("", |reset| reset.by.word()),
            network_tcp_reset_cause: close.reset.map_or("", |reset| reset.cause.into()),
            process: names.of(process),
        }
    }
}

impl Labels for CloseLabels {
    fn pairs(&self) -> Pairs {
        that_apply([
            (ROLE, self.network_tcp_handshake_role),
            ("kind", self.kind),
            ("initiator", self.initiator),
            (RESET_BY, self.network_tcp_reset_by),
            (RESET_CAUSE, self.network_tcp_reset_cause),
            ("process", &self.process),
        ])
    }
}

/// Labels of a stall.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct StallLabels {
    pub(super) network_tcp_handshake_role: &'static str,
    pub(super) waiting_for: &'static str,
    pub(super) turn: &'static str,
    pub(super) process: String,
}

impl StallLabels {
    pub(super) fn new(stalled: &Stalled, names: &mut Names) -> Self {
        let here = |end: &CloseEnd| Here::of(end.netns, end.comm);
        let (network_tcp_handshake_role, process) = of_ends(here(&stalled.client), here(&stalled.server));
        Self {
            network_tcp_handshake_role,
            waiting_for: stalled.waiting_for.map_or("", Into::into),
            turn: stalled.turn.map_or("", Into::into),
            process: names.of(process),
        }
    }
}

impl Labels for StallLabels {
    fn pairs(&self) -> Pairs {
        that_apply([
            (ROLE, self.network_tcp_handshake_role),
            ("waiting_for", self.waiting_for),
            ("turn", self.turn),
            ("process", &self.process),
        ])
    }
}

/// Labels of a histogram.
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct RoleLabels {
    pub(super) network_tcp_handshake_role: &'static str,
}

impl Labels for RoleLabels {
    fn pairs(&self) -> Pairs {
        that_apply([(ROLE, self.network_tcp_handshake_role)])
    }
}

impl HandshakeLabels {
    pub(super) fn role(&self) -> RoleLabels {
        RoleLabels { network_tcp_handshake_role: self.network_tcp_handshake_role }
    }
}

impl CloseLabels {
    pub(super) fn role(&self) -> RoleLabels {
        RoleLabels { network_tcp_handshake_role: self.network_tcp_handshake_role }
    }
}

/// Labels of losses.
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct LossLabels {
    pub(super) source: &'static str,
}

impl Labels for LossLabels {
    fn pairs(&self) -> Pairs {
        that_apply([("source", self.source)])
    }
}

/// An end whose socket is on this host, with the name of its process.
struct Here(Option<Comm>);

impl Here {
    fn of(netns: Option<u32>, comm: Option<Comm>) -> Option<Self> {
        netns.map(|_| Self(comm))
    }
}

/// Returns the ends that are on this host, and the process of one of them: the client's if it is here.
fn of_ends(client: Option<Here>, server: Option<Here>) -> (&'static str, Option<Comm>) {
    match (client, server) {
        (Some(Here(comm)), Some(_)) => ("both", comm),
        (Some(Here(comm)), None) => ("client", comm),
        (None, Some(Here(comm))) => ("server", comm),
        (None, None) => ("none", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comm(number: usize) -> Comm {
        let mut comm = Comm([0; 16]);
        let name = format!("worker-{number}");
        comm.0.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
        comm
    }

    #[test]
    fn the_number_of_names_is_limited() {
        let mut names = Names::default();
        for number in 0..MAX_NAMES {
            assert_eq!(names.of(Some(comm(number))), format!("worker-{number}"));
        }
        assert_eq!(names.of(Some(comm(MAX_NAMES))), OTHERS);
        assert_eq!(names.of(Some(comm(0))), "worker-0", "known ones keep theirs");
        assert_eq!(names.of(None), "");
        assert!(OTHERS.len() > 16, "no process can have it");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut name = Comm([0; 16]);
        name.0[..3].copy_from_slice(b"a\nb");
        assert_eq!(Names::default().of(Some(name)), r"a\x0ab");
    }
}
