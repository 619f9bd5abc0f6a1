//! Resets, by their cause.

use super::*;

/// The rows of a cause, all of resets by the server.
fn of_cause(cause: ResetCause) -> Vec<Row<Close>> {
    let both = |record: &mut Close| {
        record.evidence = Some(Proof { linger: true, unread: true, ..Proof::default() });
    };
    match cause {
        ResetCause::Linger => vec![
            (
                |_| {},
                Some("the server's program: it asks for this with SO_LINGER 0; what was still on its way is lost"),
            ),
            (
                |record| record.idle_ns = Some(60_000_000_000),
                Some(
                    "the server's program: it asks for this with SO_LINGER 0, and closed after 1 m 00 s without data, as with \
                     an idle time-out",
                ),
            ),
            (
                both,
                Some(
                    "the server's program: it asks for this with SO_LINGER 0, and it left data unread; what was still on \
                     its way is lost",
                ),
            ),
        ],
        ResetCause::Linger2 => vec![(
            |_| {},
            Some(
                "the server's program: it asks for this with a negative TCP_LINGER2; what the client sends after the \
                 server's FIN is lost",
            ),
        )],
        ResetCause::UnreadData => vec![
            (
                |_| {},
                Some("the server's program: it has to read to the end before it closes, or the client may lose data"),
            ),
            (
                both,
                Some(
                    "the server's program: it has to read to the end before it closes, or the client may lose data; it \
                     sets SO_LINGER 0 as well, which resets in any case",
                ),
            ),
        ],
        ResetCause::DataAfterClose => vec![
            (|_| {}, Some("both programs, if the client needed an answer: the server had closed")),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.closed_before_ns = Some(12_000_000);
                    record.close_known = Some(true);
                },
                Some(
                    "the client's program, if it needed an answer: the server had closed first, 12.0 ms before, and the \
                     client's host knew; when recv returns 0, no answer comes",
                ),
            ),
            (
                |record| {
                    record.initiator = Some(Role::Server);
                    record.closed_before_ns = Some(180_000);
                    record.close_known = Some(false);
                },
                Some(
                    "the idle time-outs of both ends: the server had closed first, 0.180 ms before, and the client's data \
                     crossed its FIN, so the client could not know; it may try again",
                ),
            ),
        ],
        ResetCause::NoListener => vec![(|_| {}, Some("whether the service is running on the server"))],
        ResetCause::ListenerClosed => {
            vec![(|_| {}, Some("the server's program: it stopped listening before it accepted what was waiting"))]
        }
        ResetCause::Overflow | ResetCause::QueueFull => vec![(|_| {}, QUEUE)],
        ResetCause::NoConnection => vec![(
            |_| {},
            Some(
                "whether the server restarted, a firewall or NAT forgot an idle connection (then, keep-alive), or a firewall \
                 rule rejects with a reset",
            ),
        )],
        ResetCause::Killed => {
            vec![(|_| {}, Some("who destroyed the server's socket: `ss -K`, or whatever manages its connections"))]
        }
        ResetCause::Keepalive => {
            vec![(|_| {}, Some("the network, and whether the client vanished: it answered no keep-alive probe"))]
        }
        ResetCause::LateFin => vec![(
            |_| {},
            Some(
                "the client's program, if anything: it kept the connection after the server had closed it (CLOSE_WAIT)",
            ),
        )],
        ResetCause::Forged => vec![(
            |_| {},
            Some(
                "a firewall on either host or on the way that rejects with a reset, such as a rule of `nft list \
                 ruleset`; the server's socket knows nothing of it",
            ),
        )],
        ResetCause::ZeroWindow => {
            vec![(|_| {}, Some("the client's program: it had stopped reading, so that its window was closed"))]
        }
        ResetCause::OutOfMemory => vec![(
            |_| {},
            Some(
                "on the server, `dmesg` (too many orphaned sockets, or out of memory), net.ipv4.tcp_max_orphans and \
                 net.ipv4.tcp_mem",
            ),
        )],
        ResetCause::Unknown => vec![
            (
                |_| {},
                Some(
                    "the server's program and its log, or a firewall that resets in its name: nothing seen here proves \
                     why",
                ),
            ),
            (
                |record| record.states.server = vec![StateTime { state: TcpState::Close, ns: None, inferred: false }],
                Some("the server's program and its log: nothing seen here proves why"),
            ),
        ],
    }
}

#[test]
fn every_cause_has_its_advice() {
    for cause in ResetCause::iter() {
        for (row, (change, expected)) in of_cause(cause).into_iter().enumerate() {
            let mut record = Close { kind: CloseKind::Reset, reset: by(Role::Server, cause), ..plain_close() };
            change(&mut record);
            let advice = close(&record).expect("a reset has advice").into_owned();
            assert!(!advice.contains("this host"), "{cause:?}, row {row}");
            assert_eq!(Some(advice.as_str()), expected, "{cause:?}, row {row}");
            // Swapping the ends swaps their names in the advice and nothing else.
            record.reset = by(Role::Client, cause);
            record.initiator = record.initiator.map(Role::other);
            std::mem::swap(&mut record.states.client, &mut record.states.server);
            let swapped = advice.replace("client", "?").replace("server", "client").replace('?', "server");
            assert_eq!(close(&record).as_deref(), Some(swapped.as_str()), "{cause:?}, row {row}");
        }
    }
}
