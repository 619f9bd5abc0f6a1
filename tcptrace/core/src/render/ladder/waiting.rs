//! What an unfinished phase waits for, and whose turn it is.

use super::{
    open_block::{Phase, Track},
    progress::Party,
};
use crate::{
    event::{AcceptQueue, Role},
    tcp::TcpState::{CloseWait, Established, FinWait1, SynSent},
};

/// Why a phase is not finished.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Waiting {
    /// In a sentence.
    pub(super) sentence: String,
    /// The end whose turn it is, where one can be named.
    pub(super) turn: Option<Role>,
}

impl Waiting {
    /// For what the connection waits.
    pub(super) fn of(track: &Track) -> Self {
        match track.phase {
            Phase::Opening => opening(track),
            Phase::Open | Phase::Closing => closing(track),
        }
    }
}

fn opening(track: &Track) -> Waiting {
    let (client, server) = (&track.parties.client, &track.parties.server);
    let waiting = |role, sentence| Waiting { turn: Some(role), sentence };
    if server.synacks == 0 && client.syns == 0 {
        let what = if client.state == Some(SynSent) {
            "waiting for the client's SYN, which was not seen to leave"
        } else {
            "waiting for a segment: none was seen yet"
        };
        return waiting(Role::Client, what.to_owned());
    }
    if server.synacks == 0 {
        let mut sentence = format!("waiting for the server's SYN,ACK; {}", times("SYN", client.syns));
        if let Some(AcceptQueue { length, limit }) = server.full_queue {
            sentence += &format!("; the server's accept queue is full ({length} of {limit})");
        }
        return waiting(Role::Server, sentence);
    }
    if !client.acks {
        let times = times("SYN,ACK", server.synacks);
        return waiting(Role::Client, format!("waiting for the client's ACK; {times}"));
    }
    match server.state {
        Some(state) if state != Established => {
            waiting(Role::Server, format!("the client is ESTABLISHED; the server is not: {state}"))
        }
        _ => Waiting { turn: None, sentence: "waiting for both ends to be ESTABLISHED".to_owned() },
    }
}

fn closing(track: &Track) -> Waiting {
    let (client, server) = (&track.parties.client, &track.parties.server);
    for (role, party) in [(Role::Client, client), (Role::Server, server)] {
        if party.rst {
            let sentence = format!("the {} sent a reset; the end of the connection was not seen yet", name(role));
            return Waiting { turn: None, sentence };
        }
    }
    match (client.closed(), server.closed()) {
        (true, true) => both_closed(client, server),
        (true, false) => half_closed((Role::Client, client), (Role::Server, server)),
        (false, true) => half_closed((Role::Server, server), (Role::Client, client)),
        (false, false) => Waiting { turn: None, sentence: "waiting for the end of the connection".to_owned() },
    }
}

fn half_closed((role, closed): (Role, &Party), (other, open): (Role, &Party)) -> Waiting {
    let (closer, peer) = (name(role), name(other));
    if closed.fins == 0 && closed.state == Some(FinWait1) {
        let sentence = format!("the {closer} closed its side, but its FIN has not left: data is still to be sent");
        return Waiting { turn: Some(role), sentence };
    }
    let mut sentence = format!("the {closer} closed its side; the {peer} has not");
    sentence += &match open.state {
        Some(state) => format!(": {state}"),
        // Its state is elsewhere, but RFC 9293 §3.10.7.4 leaves no other to an end that acknowledges a FIN.
        None if closed.fin_acked => format!(": {CloseWait}, as its ACK shows"),
        None => String::new(),
    };
    if closed.fins > 0 && !closed.fin_acked {
        sentence += &format!("; {}, and is not acknowledged", times("FIN", closed.fins));
    }
    Waiting { turn: Some(other), sentence }
}

fn both_closed(client: &Party, server: &Party) -> Waiting {
    let ends = [(Role::Client, client, Role::Server), (Role::Server, server, Role::Client)];
    let unacknowledged = ends.into_iter().find(|(_, party, _)| party.fins > 0 && !party.fin_acked);
    let Some((role, party, other)) = unacknowledged else {
        return Waiting { turn: None, sentence: "both ends closed; waiting for the last of it".to_owned() };
    };
    let (role, times) = (name(role), times("FIN", party.fins));
    let sentence = format!("both ends closed; waiting for the ACK of the {role}'s FIN; {times}");
    Waiting { turn: Some(other), sentence }
}

fn times(what: &str, count: u32) -> String {
    match count {
        1 => format!("the {what} was sent once"),
        _ => format!("the {what} was sent {count} times"),
    }
}

pub(super) fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        output_record::{SegmentOutput, StateOutput},
        render::samples,
        tcp::{
            TcpFlags,
            TcpState::{self, Close, Listen, SynRecv},
        },
    };

    const SYN: TcpFlags = TcpFlags::SYN;
    const ACK: TcpFlags = TcpFlags::ACK;
    const FIN: TcpFlags = TcpFlags::FIN;
    const RST: TcpFlags = TcpFlags::RST;

    /// A connection of whose client this is all that was seen.
    fn opening() -> Track {
        let entry = StateOutput { old: Close, new: SynSent, ..samples::state() };
        let mut track = Track::of_state(&entry, samples::segment().dst, 1);
        track.state(&entry, samples::segment().dst);
        track
    }

    fn send(track: &mut Track, from: Role, flags: TcpFlags, rel_seq: u32, rel_ack: Option<u32>) {
        let SegmentOutput { src, dst, .. } = samples::segment();
        let (src, dst) = if from == Role::Client { (src, dst) } else { (dst, src) };
        let flags = if rel_ack.is_some() { flags | ACK } else { flags };
        track.segment(&SegmentOutput { src, dst, flags, rel_seq, rel_ack, ..samples::segment() });
    }

    fn change(track: &mut Track, of: Role, old: TcpState, new: TcpState) {
        let SegmentOutput { src, dst, .. } = samples::segment();
        let (local, remote) = if of == Role::Client { (src, dst) } else { (dst, src) };
        let entry = StateOutput { old, new, local, remote: Some(remote), role: Some(of), ..samples::state() };
        track.state(&entry, remote);
    }

    fn waits(track: &Track) -> (String, Option<Role>) {
        let Waiting { sentence, turn } = Waiting::of(track);
        (sentence, turn)
    }

    #[test]
    fn each_step_of_a_handshake_is_waited_for() {
        let mut track = opening();
        let sentence = "waiting for the client's SYN, which was not seen to leave";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Client)));
        for times in ["once", "2 times", "3 times"] {
            send(&mut track, Role::Client, SYN, 0, None);
            let sentence = format!("waiting for the server's SYN,ACK; the SYN was sent {times}");
            assert_eq!(waits(&track), (sentence, Some(Role::Server)));
        }
        send(&mut track, Role::Server, SYN, 0, Some(1));
        let sentence = "waiting for the client's ACK; the SYN,ACK was sent once";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Client)));
        change(&mut track, Role::Server, Listen, SynRecv);
        send(&mut track, Role::Client, ACK, 1, Some(1));
        let sentence = "the client is ESTABLISHED; the server is not: SYN_RECV";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Server)));
    }

    #[test]
    fn states_alone_tell_who_has_closed() {
        let mut track = opening();
        track.opened();
        change(&mut track, Role::Client, Established, CloseWait);
        let (sentence, turn) = waits(&track);
        assert_eq!(
            (sentence.as_str(), turn),
            ("the server closed its side; the client has not: CLOSE_WAIT", Some(Role::Client))
        );
        change(&mut track, Role::Client, CloseWait, TcpState::LastAck);
        assert_eq!(waits(&track).0, "both ends closed; waiting for the last of it");
    }

    #[test]
    fn each_step_of_a_close_is_waited_for() {
        let mut track = opening();
        track.opened();
        change(&mut track, Role::Client, Established, FinWait1);
        let sentence = "the client closed its side, but its FIN has not left: data is still to be sent";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Client)));
        send(&mut track, Role::Client, FIN, 8, Some(1));
        let sentence = "the client closed its side; the server has not; the FIN was sent once, and is not acknowledged";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Server)));
        send(&mut track, Role::Server, ACK, 1, Some(9));
        let sentence = "the client closed its side; the server has not: CLOSE_WAIT, as its ACK shows";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Server)));
        send(&mut track, Role::Server, FIN, 1, Some(9));
        send(&mut track, Role::Server, FIN, 1, Some(9));
        let sentence = "both ends closed; waiting for the ACK of the server's FIN; the FIN was sent 2 times";
        assert_eq!(waits(&track), (sentence.to_owned(), Some(Role::Client)));
        send(&mut track, Role::Client, RST, 9, None);
        let sentence = "the client sent a reset; the end of the connection was not seen yet";
        assert_eq!(waits(&track), (sentence.to_owned(), None));
    }
}
