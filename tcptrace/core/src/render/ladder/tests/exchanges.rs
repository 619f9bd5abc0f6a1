//! The exchanges to draw: those of well-known tutorials, and failures.

use super::script::Script;
use crate::{
    event::{
        Proof,
        Role::{Client, Server},
    },
    tcp::{
        TcpFlags,
        TcpState::{Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent},
    },
};

pub(super) const SYN: TcpFlags = TcpFlags::SYN;
pub(super) const ACK: TcpFlags = TcpFlags::ACK;
pub(super) const PSH: TcpFlags = TcpFlags::PSH;
pub(super) const FIN: TcpFlags = TcpFlags::FIN;
pub(super) const RST: TcpFlags = TcpFlags::RST;
pub(super) const ECONNREFUSED: u32 = 111;
pub(super) const ECONNRESET: u32 = 104;
const EPIPE: u32 = 32;

/// ISNs of the exchanges for which no document gives any.
pub(super) const C: u32 = 721_203_976;
pub(super) const S: u32 = 1_673_106_620;

pub(super) type Exchange = fn(&mut Script);

/// Port 54321, as the client's capture has it.
pub(super) fn port_54321(script: &mut Script) {
    let (c, s) = (2_303_324_334, 2_402_310_477);
    script.between(([172, 18, 70, 159], 49538), ([172, 18, 70, 149], 54321));
    script.at(0).segment(Client, SYN, c, None, 0);
    script.at(455).segment(Server, SYN, s, Some(c + 1), 0);
    script.at(497).segment(Client, ACK, c + 1, Some(s + 1), 0);
    script.at(1_205).segment(Client, PSH, c + 1, Some(s + 1), 33);
    script.at(1_635).segment(Server, ACK, s + 1, Some(c + 34), 0);
    script.at(1_663).segment(Server, PSH, s + 1, Some(c + 34), 29);
    script.at(1_672).segment(Client, ACK, c + 34, Some(s + 30), 0);
    script.at(1_737).segment(Server, FIN, s + 30, Some(c + 34), 0);
    script.at(2_448).segment(Client, FIN, c + 34, Some(s + 31), 0);
    script.at(2_787).segment(Server, ACK, s + 31, Some(c + 35), 0);
}

/// Port 9502, live with both ends on this host: a pause of 16 s, and four segments.
pub(super) fn port_9502(script: &mut Script) {
    let (c, s) = (2_927_179_378, 1_721_825_043);
    script.between(([127, 0, 0, 1], 39870), ([127, 0, 0, 1], 9502));
    open(script, c, s, ("telnet", 6980));
    script.at(17_000_000).by("telnet", 6980).state(Client, Established, FinWait1);
    script.at(17_000_031).segment(Client, FIN, c + 8, Some(s + 19), 0);
    script.at(17_000_035).state(Server, Established, CloseWait);
    script.at(17_000_040).segment(Server, ACK, s + 19, Some(c + 9), 0);
    script.at(17_000_044).state(Client, FinWait1, FinWait2);
    script.at(17_000_045).state(Client, FinWait2, Close);
    script.at(17_300_000).by("server", 801).state(Server, CloseWait, LastAck);
    script.at(17_300_012).segment(Server, FIN, s + 19, Some(c + 9), 0);
    script.at(17_300_040).segment(Client, ACK, c + 9, Some(s + 20), 0);
    script.at(17_300_047).state(Server, LastAck, Close);
}

/// Port 9999: the server closes, and two seconds later the client writes into the connection.
pub(super) fn port_9999(script: &mut Script) {
    let (c, s) = (C, S);
    script.between(([127, 0, 0, 1], 47003), ([127, 0, 0, 1], 9999));
    script.by("server", 801).listener(Close, Listen);
    open(script, c, s, ("client", 6980));
    script.at(20_000).by("server", 801).state(Server, Established, FinWait1);
    script.at(20_011).segment(Server, FIN, s + 15, Some(c + 15), 0);
    script.at(20_014).state(Client, Established, CloseWait);
    script.at(57_000).segment(Client, ACK, c + 15, Some(s + 16), 0);
    script.at(57_004).state(Server, FinWait1, FinWait2);
    script.at(57_005).state(Server, FinWait2, Close);
    script.wait_until(1_020_000);
    script.at(2_020_000).segment(Client, PSH, c + 15, Some(s + 16), 14);
    script.at(2_020_021).segment(Server, RST, s + 16, None, 0);
    script.at(2_020_025).error(EPIPE).state(Client, CloseWait, Close);
}

/// Port 9999: the two lines of its transcript, which belong to a connection that was open before.
pub(super) fn port_9999_open_before(script: &mut Script) {
    script.between(([127, 0, 0, 1], 47003), ([127, 0, 0, 1], 9999));
    script.at(0).segment(Client, PSH, 700, Some(1_956_113_576), 14);
    script.at(21).segment(Server, RST, 1_956_113_576, None, 0);
}

/// Port 20000: data and FIN back to back.
pub(super) fn port_20000(script: &mut Script) {
    let (c, s) = (3_563_066_036, 3_565_563_744);
    script.between(([127, 0, 0, 1], 34585), ([127, 0, 0, 1], 20000));
    script.at(0).segment(Client, SYN, c, None, 0);
    script.at(460).segment(Server, SYN, s, Some(c + 1), 0);
    script.at(636).segment(Client, ACK, c + 1, Some(s + 1), 0);
    script.at(1_829).segment(Server, PSH, s + 1, Some(c + 1), 255);
    script.at(1_903).segment(Server, FIN, s + 256, Some(c + 1), 0);
    script.at(2_558).segment(Client, ACK, c + 1, Some(s + 256), 0);
    script.at(3_925).segment(Client, FIN, c + 1, Some(s + 257), 0);
    script.at(4_018).segment(Server, ACK, s + 257, Some(c + 2), 0);
}

/// Port 10000 as seen by its client's host: one socket, and segments from elsewhere.
pub(super) fn port_10000(script: &mut Script) {
    let (c, s) = (1_925_249_825, 821_610_649);
    script.between(([192, 168, 11, 223], 55081), ([192, 168, 11, 220], 10000)).here(&[Client]);
    script.at(0).by("client", 1_234).state(Client, Close, SynSent);
    script.at(14).segment(Client, SYN, c, None, 0);
    script.at(583).segment(Server, SYN, s, Some(c + 1), 0);
    script.at(590).state(Client, SynSent, Established);
    script.at(596).segment(Client, ACK, c + 1, Some(s + 1), 0);
    script.at(20_000_761).segment(Server, PSH, s + 1, Some(c + 1), 26);
    script.at(20_000_770).segment(Client, ACK, c + 1, Some(s + 27), 0);
    script.at(40_001_000).segment(Server, FIN, s + 27, Some(c + 1), 0);
    script.at(40_001_007).state(Client, Established, CloseWait);
    script.at(40_001_090).by("client", 1_234).state(Client, CloseWait, LastAck);
    script.at(40_001_101).segment(Client, FIN, c + 1, Some(s + 28), 0);
    script.at(40_001_720).segment(Server, ACK, s + 28, Some(c + 2), 0);
    script.at(40_001_724).state(Client, LastAck, Close);
}

/// The exchange as seen by its server's host.
pub(super) fn port_10000_server(script: &mut Script) {
    let (c, s) = (1_925_249_825, 821_610_649);
    script.between(([192, 168, 11, 223], 55081), ([192, 168, 11, 220], 10000)).here(&[Server]);
    script.at(0).segment(Client, SYN, c, None, 0);
    script.at(22).segment(Server, SYN, s, Some(c + 1), 0);
    script.at(583).segment(Client, ACK, c + 1, Some(s + 1), 0);
    script.at(590).state(Server, Listen, SynRecv);
    script.at(592).state(Server, SynRecv, Established);
    script.at(40_000_980).by("server", 801).state(Server, Established, FinWait1);
    script.at(40_001_000).segment(Server, FIN, s + 27, Some(c + 1), 0);
    script.at(40_002_000).segment(Client, FIN, c + 1, Some(s + 28), 0);
    script.at(40_002_010).state(Server, FinWait1, FinWait2);
    script.at(40_002_020).segment(Server, ACK, s + 28, Some(c + 2), 0);
    script.at(40_002_025).state(Server, FinWait2, Close);
}

/// A refusal: no process listens on the port.
pub(super) fn refused(script: &mut Script) {
    script.here(&[Client]).at(0).by("curl", 6980).state(Client, Close, SynSent);
    script.at(31).segment(Client, SYN, C, None, 0);
    script.at(44).segment(Server, RST, 0, Some(C + 1), 0);
    script.at(51).error(ECONNREFUSED).state(Client, SynSent, Close);
}

/// A router says that there is no such host.
pub(super) fn unreachable(script: &mut Script) {
    script.here(&[Client]).at(0).by("curl", 6980).state(Client, Close, SynSent);
    script.at(31).segment(Client, SYN, C, None, 0);
    script.at(3_044).icmp([10, 0, 0, 254], 1, C);
    script.at(3_051).error(113).state(Client, SynSent, Close);
}

/// The SYN is lost twice.
pub(super) fn syn_sent_again(script: &mut Script) {
    script.here(&[Client]).at(0).by("curl", 6980).state(Client, Close, SynSent);
    script.at(31).segment(Client, SYN, C, None, 0);
    script.wait_until(1_000_000);
    script.at(1_020_000).segment(Client, SYN, C, None, 0);
    script.at(2_040_000).segment(Client, SYN, C, None, 0);
    script.at(2_040_310).segment(Server, SYN, S, Some(C + 1), 0);
    script.at(2_040_318).state(Client, SynSent, Established);
    script.at(2_040_322).segment(Client, ACK, C + 1, Some(S + 1), 0);
}

/// Both ends close before either has seen the other's FIN.
pub(super) fn simultaneous_close(script: &mut Script) {
    open(script, C, S, ("curl", 6980));
    script.at(300).by("curl", 6980).state(Client, Established, FinWait1);
    script.at(302).by("server", 801).state(Server, Established, FinWait1);
    script.at(310).segment(Client, FIN, C + 1, Some(S + 1), 0);
    script.at(312).segment(Server, FIN, S + 1, Some(C + 1), 0);
    script.at(320).state(Client, FinWait1, Closing);
    script.at(322).state(Server, FinWait1, Closing);
    script.at(330).segment(Client, ACK, C + 2, Some(S + 2), 0);
    script.at(332).segment(Server, ACK, S + 2, Some(C + 2), 0);
    script.at(340).state(Client, Closing, Close);
    script.at(342).state(Server, Closing, Close);
}

/// Request, shutdown, answer, one segment of it twice; another process closes than the one that accepted.
pub(super) fn half_close(script: &mut Script) {
    open(script, C, S, ("curl", 6980));
    script.at(300).by("curl", 6980).state(Client, Established, FinWait1);
    script.at(310).segment(Client, FIN, C + 1, Some(S + 1), 0);
    script.at(315).state(Server, Established, CloseWait);
    script.at(900).segment(Server, PSH, S + 1, Some(C + 2), 1_448);
    script.at(905).state(Client, FinWait1, FinWait2);
    script.at(910).segment(Client, ACK, C + 2, Some(S + 1_449), 0);
    script.at(201_000).segment(Server, PSH, S + 1, Some(C + 2), 1_448);
    script.at(201_010).segment(Client, ACK, C + 2, Some(S + 1_449), 0);
    script.at(250_000).by("curl", 6981).state(Client, FinWait2, FinWait2);
    script.at(300_000).by("server", 801).state(Server, CloseWait, LastAck);
    script.at(300_012).segment(Server, FIN, S + 1_449, Some(C + 2), 0);
    script.at(300_020).segment(Client, ACK, C + 2, Some(S + 1_450), 0);
    script.at(300_024).state(Client, FinWait2, Close);
    script.at(300_029).state(Server, LastAck, Close);
}

/// The server closes without having read the data that arrived.
pub(super) fn unread_data(script: &mut Script) {
    open(script, C, S, ("curl", 6980));
    let proof = Proof { unread: true, ..Proof::default() };
    script.at(90_300).by("server", 801).proof(proof).state(Server, Established, Close);
    script.at(90_310).segment(Server, RST, S + 1, Some(C + 31), 0);
    script.at(90_315).error(ECONNRESET).state(Client, Established, Close);
}

/// A download of which every segment is seen.
pub(super) fn download(script: &mut Script) {
    open(script, C, S, ("curl", 6980));
    for count in 0..500 {
        script.at(1_000 + u64::from(count)).segment(Server, ACK, S + 1 + 1_448 * count, Some(C + 1), 1_448);
    }
    script.at(9_000).by("curl", 6980).state(Client, Established, FinWait1);
    script.at(9_010).segment(Client, FIN, C + 1, Some(S + 724_001), 0);
    script.at(9_030).segment(Server, ACK, S + 724_001, Some(C + 2), 0);
    script.at(9_031).state(Server, Established, CloseWait);
}

/// An idle connection with keep-alive probes: the client's have a byte, the server's none.
pub(super) fn keep_alive(script: &mut Script) {
    open(script, C, S, ("curl", 6980));
    script.at(1_000).segment(Client, PSH, C + 1, Some(S + 1), 1);
    script.at(1_030).segment(Server, ACK, S + 1, Some(C + 2), 0);
    script.at(75_001_030).segment(Client, ACK, C + 1, Some(S + 1), 1);
    script.at(75_001_050).segment(Server, ACK, S + 1, Some(C + 2), 0);
    script.at(80_000_000).segment(Server, ACK, S, Some(C + 2), 0);
    script.at(80_000_020).segment(Client, ACK, C + 2, Some(S + 1), 0);
    script.at(90_000_000).by("curl", 6980).state(Client, Established, FinWait1);
    script.at(90_000_010).segment(Client, FIN, C + 2, Some(S + 1), 0);
    script.at(90_000_030).segment(Server, ACK, S + 1, Some(C + 3), 0);
    script.at(90_000_031).state(Server, Established, CloseWait);
}

/// Accurate ECN: flags in the handshake, a number in the segments after it.
pub(super) fn accurate_ecn(script: &mut Script) {
    let ace = |flags: TcpFlags, value| flags.with_ace(value);
    script.at(0).segment(Client, ace(SYN, 7), C, None, 0);
    script.at(400).segment(Server, ace(SYN, 2), S, Some(C + 1), 0);
    script.at(440).segment(Client, ace(ACK, 2), C + 1, Some(S + 1), 0);
    script.at(500).segment(Client, ace(PSH | ACK, 5), C + 1, Some(S + 1), 10);
    script.at(900).segment(Server, ace(FIN, 6), S + 1, Some(C + 11), 0);
    script.at(950).segment(Client, ace(FIN, 5), C + 11, Some(S + 2), 0);
    script.at(1_400).segment(Server, ACK, S + 2, Some(C + 12), 0);
}

/// Options with many fields: their names show where the fields have no room.
pub(super) fn long_options(script: &mut Script) {
    let keys = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18];
    script.at(0).options(&[30, 4, 0x01, 0x01]).segment(Client, SYN, C, None, 0);
    script.at(400).options(&[&[30, 12, 0x01, 0x01], &keys[..8]].concat()).segment(Server, SYN, S, Some(C + 1), 0);
    script.at(440).options(&[&[30, 20, 0x01, 0x01], &keys[..]].concat()).segment(Client, ACK, C + 1, Some(S + 1), 0);
    script.at(500).options(&[&[19, 18], &keys[..], &[1, 1]].concat()).segment(Client, FIN, C + 1, Some(S + 1), 0);
    script.at(900).options(&[&[29, 18], &keys[..], &[1, 1]].concat()).segment(Server, FIN, S + 1, Some(C + 2), 0);
    script.at(950).options(&[2, 9, 0, 0]).segment(Client, ACK, C + 2, Some(S + 2), 0);
}

/// Two hosts with long addresses.
pub(super) fn version_6(script: &mut Script) {
    let addr = |last| [0x2001, 0xdb8, 0x1234, 0x5678, 0x9abc, 0xdef0, 0x1234, last];
    script.between((addr(0xaaaa), 54762), (addr(0xbbbb), 9999));
    open(script, C, S, ("curl", 6980));
}

/// The handshake of a connection with both ends on this host; the server's process is not known yet.
fn open(script: &mut Script, c: u32, s: u32, (name, pid): (&str, u32)) {
    script.here(&[Client, Server]).at(0).by(name, pid).state(Client, Close, SynSent);
    script.at(31).segment(Client, SYN, c, None, 0);
    script.at(45).segment(Server, SYN, s, Some(c + 1), 0);
    script.at(51).state(Client, SynSent, Established);
    script.at(55).segment(Client, ACK, c + 1, Some(s + 1), 0);
    script.at(57).state(Server, Listen, SynRecv);
    script.at(60).state(Server, SynRecv, Established);
}
