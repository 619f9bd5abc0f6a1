//! Advice on what to examine next after a failure.

use super::{heading::endpoint, open_block::End};
use crate::{
    event::Role,
    verdict::{Close, CloseKind, Handshake, Missing, Outcome, ResetCause, WaitingFor},
};

/// Returns advice for a handshake that failed or is only partly known.
pub(super) fn handshake(record: &Handshake) -> Option<String> {
    let server = endpoint(&End::from(&record.server).at);
    let address = record.server.addr;
    let port = record.server.port.map_or_else(String::new, |port| format!(" 'sport = :{port}'"));
    let left = record.retransmissions.syn.is_some();
    let text = match record.outcome? {
        Outcome::Established => return missing(&record.missing),
        Outcome::Refused if record.by_icmp => format!("the firewall in front of {server}, which rejects with ICMP"),
        Outcome::Refused => {
            let elsewhere = if address.is_loopback() { "" } else { ", or on 127.0.0.1 alone" };
            format!("on the server, `ss -ltn{port}`: is anybody listening on {server}{elsewhere}?")
        }
        Outcome::Unreachable => format!("on the client, `ip route get {address}` and `ip neigh show {address}`"),
        Outcome::Unanswered if record.waiting_for == Some(WaitingFor::Ack) => {
            "the way from the server back to the client; if there are many of these, a flood of SYNs".to_owned()
        }
        Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered if record.accept_queue.is_some() => {
            overflow("server")
        }
        Outcome::NoPort => {
            "on the client, `sysctl net.ipv4.ip_local_port_range`, and `ss -tan state time-wait`: are the \
                            ports used up? Keep connections open and use them again"
                .to_owned()
        }
        Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered if left => format!(
            "a firewall that drops, a wrong address, or a server that is down or whose queue is full (there, \
             `ss -ltn{port}`: Recv-Q above Send-Q)"
        ),
        Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered => {
            format!("on the client, `ip neigh show {address}` and `nft list ruleset`: what keeps the SYN from leaving?")
        }
        // A client that resets the connection got what it wanted.
        Outcome::Reset if record.reset.is_some_and(|reset| reset.by == Role::Client) => return None,
        Outcome::Reset => format!("on the server, `ss -ltn{port}`: is the queue full (Recv-Q above Send-Q)?"),
    };
    Some(text)
}

/// Returns advice for a close that was not orderly.
pub(super) fn close(record: &Close) -> Option<String> {
    let by = record.reset.map(|reset| (reset.by.word(), reset.by.other().word(), reset.cause));
    let text = match (record.kind, by) {
        (CloseKind::Reset, Some((by, peer, cause))) => reset(by, peer, cause),
        (CloseKind::TimedOut, _) => {
            "the network between the ends, and whether the other one vanished: crashed, moved, or cut off".to_owned()
        }
        _ => return missing(&record.missing),
    };
    Some(text)
}

fn reset(by: &str, peer: &str, cause: ResetCause) -> String {
    match cause {
        ResetCause::Linger => format!("the {by}'s program: it asks for this; what was still on its way is lost"),
        ResetCause::UnreadData => {
            format!("the {by}'s program: it has to read to the end before it closes, or the {peer} may lose data")
        }
        ResetCause::DataAfterClose => {
            format!("the {peer}'s program, if it needed an answer: when recv returns 0, the {by} has closed")
        }
        ResetCause::NoListener => "whether the service is running".to_owned(),
        ResetCause::ListenerClosed => format!("the {by}'s program: it stopped before it accepted what was waiting"),
        ResetCause::Overflow => overflow(by),
        ResetCause::NoConnection => {
            format!("whether the {by} restarted, or a firewall or NAT forgot an idle connection: then, keep-alive")
        }
        ResetCause::Killed => format!("who destroyed the {by}'s socket: `ss -K`, or whatever manages its connections"),
        ResetCause::LateFin => {
            format!(
                "the {peer}'s program, if anything: it kept the connection after the {by} had closed it (CLOSE_WAIT)"
            )
        }
        ResetCause::QueueFull => overflow(by),
        ResetCause::Keepalive => format!("the network, and whether the {peer} vanished: it answered no probe"),
        ResetCause::ZeroWindow => format!("the {peer}'s program: it had stopped reading"),
        ResetCause::Unknown => format!("the {by}'s program and its log: nothing seen here proves why"),
    }
}

fn overflow(by: &str) -> String {
    format!("the {by}'s listen() backlog and net.core.somaxconn: it accepts too slowly")
}

/// Returns how to see the next connection completely.
fn missing(missing: &[Missing]) -> Option<String> {
    if missing.contains(&Missing::Lost) {
        Some("a larger --ring-buffer, or filters: events were lost".to_owned())
    } else if missing.contains(&Missing::Interface) {
        Some(
            "`--netns all`, if its segments pass in another network namespace (`nsenter -t PID -n` enters one)"
                .to_owned(),
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::samples,
        verdict::{OpeningRetransmissions, Reset},
    };

    fn of_handshake(change: impl FnOnce(&mut Handshake)) -> Option<String> {
        let mut record = *samples::handshake().record;
        record.missing.clear();
        record.accept_queue = None;
        change(&mut record);
        handshake(&record)
    }

    #[test]
    fn only_what_went_wrong_has_something_to_look_at() {
        assert_eq!(of_handshake(|record| record.outcome = Some(Outcome::Established)), None);
        assert_eq!(of_handshake(|record| record.outcome = None), None);
        let by_client = of_handshake(|record| {
            record.outcome = Some(Outcome::Reset);
            record.reset = Some(Reset { by: Role::Client, cause: ResetCause::Unknown });
        });
        assert_eq!(by_client, None, "as health checks do");
        let mut record = *samples::close().record;
        assert_eq!(close(&record), None);
        record.missing = vec![Missing::Lost];
        assert!(close(&record).unwrap().contains("--ring-buffer"));
    }

    #[test]
    fn the_address_and_the_port_to_look_at_are_named() {
        let refused = of_handshake(|record| record.outcome = Some(Outcome::Refused)).unwrap();
        assert!(refused.contains("'sport = :9999'") && refused.contains("10.0.0.1:9999"), "{refused}");
        let unreachable = of_handshake(|record| record.outcome = Some(Outcome::Unreachable)).unwrap();
        assert!(unreachable.contains("ip route get 10.0.0.1"), "{unreachable}");
        let never_left = of_handshake(|record| {
            record.waiting_for = Some(WaitingFor::SynAck);
            record.retransmissions = OpeningRetransmissions { syn: None, synack: None };
        });
        assert!(never_left.unwrap().contains("nft list ruleset"));
    }

    #[test]
    fn a_reset_is_for_the_end_that_caused_it() {
        let mut record = *samples::close().record;
        record.kind = CloseKind::Reset;
        for (cause, end) in [
            (ResetCause::Linger, "server's program"),
            (ResetCause::UnreadData, "server's program"),
            (ResetCause::DataAfterClose, "client's program"),
            (ResetCause::Overflow, "server's listen() backlog"),
            (ResetCause::Unknown, "server's program and its log"),
        ] {
            record.reset = Some(Reset { by: Role::Server, cause });
            let text = close(&record).unwrap();
            assert!(text.contains(end), "{text}");
        }
    }
}
