//! The words for why an end sent a reset.

use super::{CloseFacts, push};
use crate::{
    event::Role,
    text::HumanDuration,
    verdict::{Close, ResetCause},
};

/// Lengths of a TLS close_notify: 1.3, and 1.2 with AES-GCM, ChaCha20 or CBC and SHA-1 (RFC 5246 §6.2.3, RFC 8446
/// §5.2).
const CLOSE_NOTIFY: [u64; 4] = [23, 24, 31, 53];

pub(super) fn cause_words(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Linger => ": it closed with SO_LINGER 0",
        ResetCause::Linger2 => ": its TCP_LINGER2 is negative, so its socket did not wait for the other end's FIN",
        ResetCause::UnreadData => ": it closed with data unread",
        ResetCause::DataAfterClose => {
            ": the other end wrote to a socket that was closed already, and further writes fail with EPIPE"
        }
        ResetCause::NoListener => ": nobody listens there",
        ResetCause::ListenerClosed => ": its listener closed before it was accepted",
        ResetCause::Overflow => ": the accept queue is full",
        ResetCause::NoConnection => ": it knows no such connection",
        ResetCause::Killed => ": its socket was destroyed from outside",
        ResetCause::Keepalive => ": keep-alive probes were not answered",
        ResetCause::LateFin => ": its own close was over when the other end's FIN came, which does no harm",
        ResetCause::QueueFull => {
            ": its accept queue was full when the handshake was completed, so it never had a socket"
        }
        ResetCause::Forged => ": its socket was still open, so something else sent the reset, as a firewall does",
        ResetCause::ZeroWindow => ": the other end's window was closed (0 B)",
        ResetCause::OutOfMemory => ": its host had too many orphaned sockets, or too little memory for TCP",
        ResetCause::Unknown => "",
    }
}

/// Appends the reason for the reset; data for a closed socket need not be a failure.
pub(super) fn push_cause(text: &mut String, cause: ResetCause, record: &Close, facts: &CloseFacts) {
    match cause {
        ResetCause::DataAfterClose => push_late_data(text, record, facts),
        ResetCause::NoConnection if !facts.no_socket => text.push_str(": as if it knew no such connection"),
        ResetCause::UnreadData => {
            let end = match record.reset.map(|reset| reset.by) {
                Some(Role::Client) => record.client.unread_bytes,
                _ => record.server.unread_bytes,
            };
            match end.filter(|&bytes| bytes > 0) {
                Some(1) => text.push_str(": it closed with 1 byte unread"),
                Some(bytes) => push(text, format_args!(": it closed with {bytes} bytes unread")),
                None => text.push_str(cause_words(cause)),
            }
            if record.evidence.is_some_and(|evidence| evidence.linger) {
                text.push_str(" and with SO_LINGER 0");
            }
        }
        _ => text.push_str(cause_words(cause)),
    }
}

fn push_late_data(text: &mut String, record: &Close, facts: &CloseFacts) {
    match facts.late_bytes {
        Some(bytes) if facts.other_closed && CLOSE_NOTIFY.contains(&bytes) => push(
            text,
            format_args!(
                ": the other end still sent {bytes} B while it closed too, as TLS does with close_notify: harmless"
            ),
        ),
        Some(bytes) if CLOSE_NOTIFY.contains(&bytes) => push(
            text,
            format_args!(
                ": the other end sent {bytes} B to a socket that was closed already: harmless if that was TLS's \
                 close_notify, whose length it is; further writes fail with EPIPE"
            ),
        ),
        // Its FIN follows the data: it writes no more.
        Some(bytes @ 1..) if facts.other_closed => push(
            text,
            format_args!(
                ": the other end still sent {bytes} B before it closed too, to a socket that was closed already"
            ),
        ),
        _ => match record.closed_before_ns {
            Some(before) => push(
                text,
                format_args!(
                    ": the other end wrote to a socket that was closed already ({} before), and further writes fail with \
                     EPIPE",
                    HumanDuration(before)
                ),
            ),
            None => text.push_str(cause_words(ResetCause::DataAfterClose)),
        },
    }
}
