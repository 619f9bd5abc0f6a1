//! Advice for a connection that makes no progress: where to look for the reason.

use super::{Advice, source_port, unanswered};
use crate::{
    tcp::TcpState,
    verdict::{Awaited, Role, Stalled, Turn},
};

/// Returns what to examine while a connection makes no progress; `None` if it is unknown what it waits for. `icmp`: an ICMP
/// error about it was seen. That is the better clue, and the record of the handshake that it fails has advice on it.
pub(in super::super) fn stalled(record: &Stalled, icmp: bool) -> Advice {
    if icmp && record.waiting_for == Some(Awaited::SynAck) {
        return None;
    }
    if let Some(advice) = unanswered::dropped_here(record.dropped) {
        return Some(advice.into());
    }
    if let Some(advice) = unanswered::segments_dropped_here(record.dropped_segments) {
        return Some(advice.into());
    }
    if record.ignored_reset && record.waiting_for == Some(Awaited::SynAck) {
        return Some(unanswered::IGNORED_RESET.into());
    }
    let port = source_port(record.server.port);
    let turn = match record.turn {
        Some(Turn::Client) => Some(Role::Client),
        Some(Turn::Server) => Some(Role::Server),
        Some(Turn::Network) | None => None,
    };
    let here = record.server.addr.is_loopback() || record.server.addr == record.client.addr;
    if let (Some(Awaited::SynAck), Some(Role::Server), Some(signature)) = (record.waiting_for, turn, record.signature) {
        return Some(unanswered::signed(signature, &port).into());
    }
    let text = match (record.waiting_for?, turn) {
        (Awaited::SynAck, Some(Role::Client)) => unanswered::not_yet_sent(record.server.addr),
        (Awaited::SynAck, Some(Role::Server)) if here => unanswered::here(&port),
        (Awaited::SynAck, Some(Role::Server)) => unanswered::on_the_way(&port),
        (Awaited::Accept, Some(Role::Client)) => {
            "the client's program: the server accepts it when its first data comes (TCP_DEFER_ACCEPT)".to_owned()
        }
        (Awaited::Accept, Some(Role::Server)) if accepted_by_kernel(record.state.server) => format!(
            "the server's program: does it still call accept()? There, Recv-Q of `ss -ltnp{port}` counts those that wait"
        ),
        (Awaited::Accept, Some(Role::Server)) => {
            format!("on the server, `ss -ltnp{port}`: is Recv-Q above Send-Q? Then its accept queue is full")
        }
        (Awaited::Ack | Awaited::DataAck, _) if here => {
            "on the host of both ends, `nft list ruleset`: a rule that drops, or that relies on a connection tracking entry \
             that is gone"
                .to_owned()
        }
        (Awaited::Ack, Some(end)) => format!("the network between the ends, and whether the {} vanished", end.word()),
        (Awaited::Ack, None) => "the network between the ends, and whether one of them vanished".to_owned(),
        // The record states neither whose data it is nor how large its segments are.
        (Awaited::DataAck, _) => {
            "the network between the ends: a firewall or NAT that forgot the connection, an end that \
             vanished, or a link whose MTU large segments exceed (`tracepath` finds it)"
                .to_owned()
        }
        (Awaited::Window, Some(end)) => {
            format!(
                "the {}'s program: why does it not read? There, Recv-Q of `ss -tnp{}` counts what waits for it",
                end.word(),
                own_port(record, end)
            )
        }
        (Awaited::Close, Some(end)) => format!(
            "the {}'s program: why does it not close its socket? There, `tcptrace leaks` lists all such sockets",
            end.word()
        ),
        (Awaited::Fin, Some(end)) if state(record, end) != Some(TcpState::FinWait1) => {
            format!("on the {}, `ss -tnp state close-wait`: does its program still need the connection?", end.word())
        }
        (Awaited::SynAck | Awaited::Accept | Awaited::Window | Awaited::Close | Awaited::Fin, _) => return None,
    };
    Some(text.into())
}

/// Returns true if the kernel has done all that it must before a process accepts the connection.
fn accepted_by_kernel(state: Option<TcpState>) -> bool {
    matches!(state, Some(TcpState::Established | TcpState::CloseWait))
}

fn state(record: &Stalled, end: Role) -> Option<TcpState> {
    if end == Role::Client { record.state.client } else { record.state.server }
}

/// Returns the filter of `ss` for an end's port.
fn own_port(record: &Stalled, end: Role) -> String {
    source_port(if end == Role::Client { record.client.port } else { record.server.port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator as _;

    use crate::{
        render::samples,
        verdict::{OpeningDrops, SegmentDrops},
    };

    /// Returns advice on a record with these facts, of two hosts.
    fn advice(waiting_for: Option<Awaited>, turn: Option<Turn>, in_server: TcpState) -> Option<String> {
        let mut record = samples::stalled().record;
        record.client.addr = [10, 0, 0, 1].into();
        record.server.addr = [10, 0, 0, 2].into();
        record.waiting_for = waiting_for;
        record.turn = turn;
        record.state.server = Some(in_server);
        stalled(&record, false).map(Into::into)
    }

    #[test]
    fn what_is_awaited_and_whose_turn_it_is_decide() {
        use Awaited::{Accept, Ack, Close, DataAck, Fin, SynAck, Window};
        use TcpState::{CloseWait, Established, FinWait1, SynRecv};
        use Turn::{Client, Network, Server};
        let rows = [
            (
                SynAck,
                Some(Client),
                SynRecv,
                Some("what keeps the SYN from leaving? With TCP_FASTOPEN_CONNECT, it waits"),
            ),
            (SynAck, Some(Server), SynRecv, Some("a firewall that drops, a wrong address, or a server that is down")),
            (SynAck, None, SynRecv, None),
            (Accept, Some(Client), SynRecv, Some("TCP_DEFER_ACCEPT")),
            (Accept, Some(Server), Established, Some("does it still call accept()?")),
            (Accept, Some(Server), CloseWait, Some("does it still call accept()?")),
            (Accept, Some(Server), SynRecv, Some("Then its accept queue is full")),
            (Ack, Some(Client), SynRecv, Some("whether the client vanished")),
            (Ack, Some(Network), FinWait1, Some("whether one of them vanished")),
            (DataAck, Some(Network), Established, Some("a link whose MTU large segments exceed")),
            (DataAck, None, FinWait1, Some("a firewall or NAT that forgot the connection")),
            (Window, Some(Client), Established, Some("the client's program: why does it not read?")),
            (Window, Some(Server), Established, Some("the server's program: why does it not read?")),
            (Close, Some(Server), CloseWait, Some("the server's program: why does it not close its socket?")),
            (Fin, Some(Server), Established, Some("on the server, `ss -tnp state close-wait`")),
            // Its own data keeps its FIN from leaving.
            (Fin, Some(Server), FinWait1, None),
        ];
        for (waiting_for, turn, in_server, right) in rows {
            let given = advice(Some(waiting_for), turn, in_server);
            let same = match (&given, right) {
                (Some(given), Some(right)) => given.contains(right),
                (given, right) => given.is_none() && right.is_none(),
            };
            assert!(same, "{waiting_for:?} {turn:?} {in_server:?}: {given:?}");
        }
        assert_eq!(advice(None, Some(Client), Established), None);
    }

    #[test]
    fn an_icmp_error_says_more_about_an_unanswered_syn_than_anything_else() {
        let mut record = samples::stalled().record;
        (record.waiting_for, record.turn) = (Some(Awaited::SynAck), Some(Turn::Server));
        assert!(stalled(&record, false).is_some());
        assert_eq!(stalled(&record, true), None);
        record.waiting_for = Some(Awaited::DataAck);
        assert!(stalled(&record, true).is_some());
    }

    #[test]
    fn a_signed_syn_is_not_answered_by_a_closed_port() {
        let mut record = samples::stalled().record;
        (record.waiting_for, record.turn) = (Some(Awaited::SynAck), Some(Turn::Server));
        record.signature = Some("TCP-MD5");
        let given = stalled(&record, false).unwrap();
        assert!(given.contains("`ss -ltn 'sport = :9999'` and the keys for TCP-MD5"), "{given}");
        // It has been answered.
        record.waiting_for = Some(Awaited::Ack);
        assert!(!stalled(&record, false).unwrap().contains("TCP-MD5"));
    }

    #[test]
    fn between_two_ends_of_one_host_lies_its_own_firewall() {
        let mut record = samples::stalled().record;
        for server in [record.client.addr, [127, 0, 0, 1].into()] {
            record.server.addr = server;
            record.turn = Some(Turn::Server);
            for awaited in [Awaited::SynAck, Awaited::Ack, Awaited::DataAck] {
                record.waiting_for = Some(awaited);
                let given = stalled(&record, false).expect("advice");
                assert!(given.starts_with("on the host of both ends, `nft list ruleset`"), "{awaited:?}: {given}");
            }
        }
    }

    #[test]
    fn advice_without_a_report_of_the_kernel_is_not_about_this_host() {
        let mut record = samples::stalled().record;
        record.dropped = None;
        for (client, server) in
            [([10, 0, 0, 1], [10, 0, 0, 2]), ([10, 0, 0, 1], [10, 0, 0, 1]), ([127, 0, 0, 1], [127, 0, 0, 1])]
        {
            (record.client.addr, record.server.addr) = (client.into(), server.into());
            for (awaited, turn) in Awaited::iter().flat_map(|awaited| Turn::iter().map(move |turn| (awaited, turn))) {
                (record.waiting_for, record.turn) = (Some(awaited), Some(turn));
                let given = stalled(&record, false).unwrap_or_default();
                assert!(!given.contains("this host"), "{awaited:?} {turn:?}: {given}");
            }
        }
    }

    #[test]
    fn a_rule_that_drops_the_syn_is_named() {
        let mut record = samples::stalled().record;
        record.waiting_for = Some(Awaited::SynAck);
        record.turn = Some(Turn::Server);
        record.dropped =
            Some(OpeningDrops { reason: samples::dropped().reason, of_synack: false, segments: 1, ends_of: None });
        let expected = "`nft list ruleset` in each network namespace of this host that it passes: a rule drops the SYN";
        assert_eq!(stalled(&record, false).as_deref(), Some(expected));
    }

    #[test]
    fn a_rule_that_drops_what_is_sent_later_is_named() {
        let mut record = samples::stalled().record;
        record.dropped_segments =
            Some(SegmentDrops { sender: Role::Server, reason: samples::dropped().reason, segments: 4 });
        let expected = "`nft list ruleset` in each network namespace of this host that it passes: a rule drops the \
                        server's segments";
        for awaited in [Awaited::Ack, Awaited::DataAck, Awaited::Fin] {
            record.waiting_for = Some(awaited);
            record.turn = Some(Turn::Network);
            assert_eq!(stalled(&record, false).as_deref(), Some(expected), "{awaited:?}");
        }
    }
}
