//! Advice for resets, by their cause.

use crate::{event::Role, verdict::ResetCause};

/// Returns advice for a reset whose cause alone decides it.
pub(super) fn by_cause(by: Role, cause: ResetCause) -> String {
    let (end, peer) = (by.word(), by.other().word());
    match cause {
        ResetCause::Linger => {
            format!("the {end}'s program: it asks for this with SO_LINGER 0; what was still on its way is lost")
        }
        ResetCause::Linger2 => format!(
            "the {end}'s program: it asks for this with a negative TCP_LINGER2; what the {peer} sends after the {end}'s FIN \
             is lost"
        ),
        ResetCause::UnreadData => {
            format!("the {end}'s program: it has to read to the end before it closes, or the {peer} may lose data")
        }
        ResetCause::DataAfterClose => {
            format!("both programs: the {end} had closed before the {peer}'s data came")
        }
        ResetCause::NoListener => format!("whether the service is running on the {end}"),
        ResetCause::ListenerClosed => {
            format!("the {end}'s program: it stopped listening before it accepted what was waiting")
        }
        ResetCause::Overflow | ResetCause::QueueFull => {
            format!("the {end}'s listen() backlog and net.core.somaxconn: it accepts too slowly")
        }
        ResetCause::NoConnection => {
            format!(
                "whether the {end} restarted, a firewall or NAT forgot an idle connection (then, keep-alive), or a firewall \
                 rule rejects with a reset"
            )
        }
        ResetCause::Killed => killed(by),
        ResetCause::LateFin => format!(
            "the {peer}'s program, if anything: it kept the connection after the {end} had closed it (CLOSE_WAIT)"
        ),
        ResetCause::Keepalive => {
            format!("the network, and whether the {peer} vanished: it answered no keep-alive probe")
        }
        ResetCause::Forged => format!(
            "a firewall on either host or on the way that rejects with a reset, such as a rule of `nft list ruleset`; \
             the {end}'s socket knows nothing of it"
        ),
        ResetCause::ZeroWindow => {
            format!("the {peer}'s program: it had stopped reading, so that its window was closed")
        }
        ResetCause::OutOfMemory => format!(
            "on the {end}, `dmesg` (too many orphaned sockets, or out of memory), net.ipv4.tcp_max_orphans and \
             net.ipv4.tcp_mem"
        ),
        ResetCause::Unknown => unproven(by, false),
    }
}

/// Returns advice for a socket that was destroyed from outside.
pub(super) fn killed(end: Role) -> String {
    format!("who destroyed the {}'s socket: `ss -K`, or whatever manages its connections", end.word())
}

/// Returns advice for a reset without a proven cause; `by_socket`: a socket on this host sent it.
pub(super) fn unproven(by: Role, by_socket: bool) -> String {
    let otherwise = if by_socket { "" } else { ", or a firewall that resets in its name" };
    format!("the {}'s program and its log{otherwise}: nothing seen here proves why", by.word())
}
