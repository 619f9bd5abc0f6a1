//! Advice on what to examine next after a failure: chosen by the cause, for the end where it can be fixed.
//!
//! Advice rests on the record alone, and does not mention segments where none are traced.

mod close;
mod ended;
mod handshake;
mod icmp;
mod not_seen;
mod reset;
mod stalled;
mod unanswered;

use std::borrow::Cow;

pub(super) use self::{close::close, handshake::handshake, stalled::stalled};

/// The text, if there is anything to advise.
type Advice = Option<Cow<'static, str>>;

/// Returns the filter of `ss` for sockets whose own port this is, with a space before it; empty if the port is unknown.
fn source_port(port: Option<u16>) -> String {
    port.map_or_else(String::new, |port| format!(" 'sport = :{port}'"))
}

#[cfg(test)]
mod tests;
