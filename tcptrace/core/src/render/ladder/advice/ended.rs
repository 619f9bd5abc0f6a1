//! Advice for closes whose cause lies in a process: it was killed, or it did not wait for an answer.

use super::Advice;
use crate::{
    event::Exit,
    text::HumanDuration,
    verdict::{Close, CloseKind, Role},
};

/// Shortest time without data after which a client may have given up waiting.
const PATIENCE_NS: u64 = 1_000_000_000;

/// Returns advice if the process that closed first was ended by a signal that indicates a fault. Signals by which people and
/// service managers stop programs, such as SIGTERM, need none by themselves.
pub(super) fn by_signal(record: &Close) -> Advice {
    if matches!(record.kind, CloseKind::TimedOut | CloseKind::Unseen) {
        return None;
    }
    let first = record.reset.map(|reset| reset.by).or(record.initiator)?;
    let end = if first == Role::Client { &record.client } else { &record.server };
    let Some(Exit { signal: Some(signal), .. }) = end.exit else { return None };
    let end = first.word();
    match signal {
        // SIGKILL
        9 => Some(
            format!(
                "who killed the {end}'s process: there, `journalctl -k` tells whether the kernel did because memory ran \
                 out; else whatever runs it, such as systemd or a container runtime"
            )
            .into(),
        ),
        // SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV
        4 | 6 | 7 | 8 | 11 => Some(
            format!(
                "the {end}'s program and its log: signal {signal}, with which programs crash, ended it; there, \
                 `coredumpctl` and `journalctl -k` may tell where"
            )
            .into(),
        ),
        _ => None,
    }
}

/// Returns advice if the process that left data unread was ended by a signal such as SIGTERM.
pub(super) fn with_unread_data(record: &Close, by: Role) -> Option<String> {
    let (end, peer) = (by.word(), by.other().word());
    let exit = if by == Role::Client { record.client.exit } else { record.server.exit };
    let signal = exit?.signal?;
    Some(format!(
        "who ended the {end}'s process with signal {signal}, as a restart does, or a supervisor whose time-out has passed: it \
         had not read to the end, and the {peer} may have lost data"
    ))
}

/// Returns advice if a client closed after some time without data, and data of the server came later, as when the client
/// gave up waiting for an answer.
pub(super) fn late_answer(record: &Close, by: Role) -> Option<String> {
    let idle = record.idle_ns.filter(|&idle| idle >= PATIENCE_NS)?;
    let waited = by == Role::Client && record.initiator == Some(Role::Client) && record.close_known != Some(false);
    let later = record.closed_before_ns.filter(|_| waited)?;
    Some(format!(
        "the client's time-out and what delayed the server, if this was its answer: the client had closed first, after {} \
         without data, and the server's data came {} later",
        HumanDuration(idle),
        HumanDuration(later)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::{ladder::advice::close, samples},
        verdict::{Reset, ResetCause},
    };

    fn plain() -> Close {
        let mut record = *samples::close().record;
        record.kind = CloseKind::ThreeSegment;
        record.initiator = Some(Role::Server);
        record.reset = None;
        (record.client.exit, record.server.exit) = (None, None);
        record
    }

    fn killed_by(signal: u8) -> Option<Exit> {
        Some(Exit { signal: Some(signal), code: None })
    }

    #[track_caller]
    fn check(record: &Close, part: &str) {
        let given = close(record).unwrap_or_default();
        assert!(given.contains(part), "{given}");
    }

    #[test]
    fn a_killed_process_is_the_cause_whatever_its_socket_did() {
        let mut record = plain();
        record.server.exit = killed_by(9);
        check(&record, "who killed the server's process: there, `journalctl -k`");
        record.kind = CloseKind::Reset;
        record.reset = Some(Reset { by: Role::Server, cause: ResetCause::UnreadData });
        check(&record, "who killed the server's process");
        record.server.exit = killed_by(11);
        check(&record, "signal 11, with which programs crash");
        record.server.exit = killed_by(15);
        check(&record, "who ended the server's process with signal 15, as a restart does");
        record.reset = Some(Reset { by: Role::Server, cause: ResetCause::Linger });
        check(&record, "it asks for this with SO_LINGER 0");
        record.reset = Some(Reset { by: Role::Server, cause: ResetCause::UnreadData });
        // The process ended by itself, or did not end the connection.
        for other in [Some(Exit { signal: None, code: Some(1) }), None] {
            record.server.exit = other;
            record.client.exit = killed_by(9);
            check(&record, "it has to read to the end before it closes");
        }
    }

    #[test]
    fn an_answer_that_comes_after_the_client_has_given_up() {
        let mut record = plain();
        record.kind = CloseKind::Reset;
        record.initiator = Some(Role::Client);
        record.reset = Some(Reset { by: Role::Client, cause: ResetCause::DataAfterClose });
        record.close_known = Some(true);
        (record.idle_ns, record.closed_before_ns) = (Some(30_000_000_000), Some(2_000_000_000));
        check(&record, "after 30.0 s without data, and the server's data came 2.000 s later");
        // The data crossed the close, or the client had just received data.
        record.close_known = Some(false);
        check(&record, "the idle time-outs of both ends");
        record.close_known = Some(true);
        record.idle_ns = Some(PATIENCE_NS - 1);
        check(&record, "when recv returns 0, no answer comes");
        // Servers close idle connections.
        record.idle_ns = Some(PATIENCE_NS);
        record.initiator = Some(Role::Server);
        record.reset = Some(Reset { by: Role::Server, cause: ResetCause::DataAfterClose });
        check(&record, "when recv returns 0, no answer comes");
    }
}
