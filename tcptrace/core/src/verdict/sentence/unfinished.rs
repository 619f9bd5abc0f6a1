//! The words for a close that was not over when tracing stopped.

use super::{
    close::{CloseFacts, push_silent},
    name, push,
};
use crate::{
    event::Role,
    verdict::{Close, Each},
};

/// Appends what was seen of the close.
pub(super) fn push_unfinished(text: &mut String, record: &Close, facts: &CloseFacts) {
    text.push_str("unfinished: ");
    let holds_fin = |role| match role {
        Role::Client => facts.holds_fin.client,
        Role::Server => facts.holds_fin.server,
    };
    match record.initiator {
        _ if facts.silent.is_some() => {
            push_silent(text, "", facts.silent);
            text.push_str("; ");
        }
        Some(role) if holds_fin(role) && holds_fin(role.other()) => {
            text.push_str("both ends have closed, but their FINs were not seen to leave; ");
        }
        Some(role) if holds_fin(role) => {
            push(text, format_args!("the {} has closed its side, but its FIN was not seen to leave; ", name(role)));
        }
        _ if facts.fins == (Each { client: true, server: true }) => push_last_acks(text, facts.unacked),
        _ if facts.missed_fin.is_some() => push_missed_fin(text, record.initiator, facts.missed_fin),
        Some(role) => push(text, format_args!("the {} has closed its side; ", name(role))),
        None => {}
    }
    text.push_str("tracing stopped first");
}

/// Appends that both ends have closed, and what is missing to the end of it.
fn push_last_acks(text: &mut String, unacked: Each<bool>) {
    text.push_str("both ends have closed; ");
    match (unacked.client, unacked.server) {
        (true, true) => text.push_str("the ACKs of their FINs were not seen; "),
        (true, false) => text.push_str("the ACK of the client's FIN was not seen; "),
        (false, true) => text.push_str("the ACK of the server's FIN was not seen; "),
        (false, false) => {}
    }
}

/// Appends that one end has closed, and that the other one, `missed`, may have closed too.
fn push_missed_fin(text: &mut String, initiator: Option<Role>, missed: Option<Role>) {
    let Some(missed) = missed else { return };
    let (closer, missed) = (name(missed.other()), name(missed));
    let too = if initiator.is_none() { "had before" } else { "has, too," };
    push(text, format_args!("the {closer} has closed its side; whether the {missed} {too} is unknown: "));
    text.push_str("what it sent last was not seen; ");
}
