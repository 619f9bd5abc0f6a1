//! Seriousness of verdicts.

use strum::IntoStaticStr;

use super::{Close, CloseKind, Handshake, Outcome, ResetCause, Role};

/// Seriousness of a verdict.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Neither a failure nor anything to notice.
    Ok,
    /// The connection did not fail, but had a SYN, SYN,ACK or FIN that was retransmitted, a full accept queue, a handshake that
    /// its client reset, a reset after an orderly close, data left unread or unsent, or a process ended by a signal.
    Notice,
    /// The connection failed, in the sense of `--only failed`.
    Failed,
}

impl Handshake {
    /// Returns true if it failed: it was not established, and was not reset by the client either, as by health checks and
    /// scans.
    pub fn failed(&self) -> bool {
        match self.outcome {
            None | Some(Outcome::Established) => false,
            Some(Outcome::Reset) => self.reset.is_none_or(|reset| reset.by != Role::Client),
            Some(_) => true,
        }
    }

    /// Returns its severity.
    pub fn severity(&self) -> Severity {
        let again = |count: Option<u32>| count.is_some_and(|count| count > 0);
        let retransmitted = again(self.retransmissions.syn) || again(self.retransmissions.synack);
        match () {
            () if self.failed() => Severity::Failed,
            () if retransmitted || self.accept_queue.is_some() || self.syn_queue.is_some() || self.reset.is_some() => {
                Severity::Notice
            }
            () => Severity::Ok,
        }
    }
}

impl Close {
    /// Returns true if it failed: the connection was reset or timed out, and was not over before.
    pub fn failed(&self) -> bool {
        match self.kind {
            CloseKind::Reset => self.reset.is_none_or(|reset| reset.cause != ResetCause::LateFin),
            CloseKind::TimedOut => true,
            _ => false,
        }
    }

    /// Returns its severity.
    pub fn severity(&self) -> Severity {
        let again =
            [self.retransmissions.client, self.retransmissions.server].into_iter().flatten().any(|count| count > 0);
        let left_behind = [&self.client, &self.server].into_iter().any(|end| {
            let left = [end.unread_bytes, end.unsent_bytes].into_iter().flatten().any(|bytes| bytes > 0);
            left || end.exit.is_some_and(|exit| exit.signal.is_some())
        });
        match () {
            () if self.failed() => Severity::Failed,
            () if again || left_behind || self.reset.is_some() => Severity::Notice,
            () => Severity::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{AcceptQueue, Exit},
        render::samples,
        verdict::{CloseEnd, Each, OpeningRetransmissions, Reset},
    };

    /// A handshake that was established without anything notable.
    fn opened() -> Handshake {
        Handshake {
            outcome: Some(Outcome::Established),
            reset: None,
            retransmissions: OpeningRetransmissions { syn: Some(0), synack: None },
            accept_queue: None,
            syn_queue: None,
            ..*samples::handshake().record
        }
    }

    /// A close without anything notable.
    fn closed() -> Close {
        let end = |end: CloseEnd| CloseEnd { exit: None, unread_bytes: Some(0), unsent_bytes: None, ..end };
        let close = *samples::close().record;
        let (client, server) = (end(close.client.clone()), end(close.server.clone()));
        Close { client, server, reset: None, retransmissions: Each { client: Some(0), server: None }, ..close }
    }

    #[test]
    fn a_handshake_is_as_serious_as_what_became_of_it() {
        let reset = |by| Some(Reset { by, cause: ResetCause::Unknown });
        let (failed, by_client) = (Some(Outcome::Reset), reset(Role::Client));
        let retransmissions = |syn, synack| OpeningRetransmissions { syn, synack };
        for (record, severity) in [
            (opened(), Severity::Ok),
            (Handshake { outcome: None, ..opened() }, Severity::Ok),
            (Handshake { outcome: Some(Outcome::Refused), ..opened() }, Severity::Failed),
            (Handshake { outcome: failed, reset: reset(Role::Server), ..opened() }, Severity::Failed),
            (Handshake { outcome: failed, reset: by_client, ..opened() }, Severity::Notice),
            (Handshake { retransmissions: retransmissions(Some(1), None), ..opened() }, Severity::Notice),
            (Handshake { retransmissions: retransmissions(None, Some(2)), ..opened() }, Severity::Notice),
            (Handshake { accept_queue: Some(AcceptQueue { length: 2, limit: 1 }), ..opened() }, Severity::Notice),
        ] {
            assert_eq!(record.severity(), severity, "{record:?}");
        }
    }

    #[test]
    fn a_close_is_as_serious_as_what_it_left_behind() {
        let reset = |cause| Some(Reset { by: Role::Server, cause });
        let killed = Some(Exit { signal: Some(9), code: None });
        let left = Some(Exit { signal: None, code: Some(1) });
        let client = |end: CloseEnd| Close { client: end, ..closed() };
        let late = reset(ResetCause::LateFin);
        for (record, severity) in [
            (closed(), Severity::Ok),
            (Close { kind: CloseKind::Unfinished, ..closed() }, Severity::Ok),
            (Close { kind: CloseKind::Reset, reset: reset(ResetCause::Linger), ..closed() }, Severity::Failed),
            (Close { kind: CloseKind::Reset, reset: late, ..closed() }, Severity::Notice),
            (Close { kind: CloseKind::TimedOut, ..closed() }, Severity::Failed),
            (Close { reset: reset(ResetCause::DataAfterClose), ..closed() }, Severity::Notice),
            (Close { retransmissions: Each { client: None, server: Some(1) }, ..closed() }, Severity::Notice),
            (client(CloseEnd { unread_bytes: Some(1), ..closed().client }), Severity::Notice),
            (client(CloseEnd { unsent_bytes: Some(1), ..closed().client }), Severity::Notice),
            (client(CloseEnd { exit: killed, ..closed().client }), Severity::Notice),
            (client(CloseEnd { exit: left, ..closed().client }), Severity::Ok),
        ] {
            assert_eq!(record.severity(), severity, "{record:?}");
        }
    }
}
