//! The smallest TCP server there can be: the other side of a tun device.

use std::net::SocketAddr;

use crate::{
    raw::tcp_packet,
    tun::{Received, Tun},
};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// One accepted connection. Every step is the test's: it acknowledges what comes and closes when it is told to. Nothing is
/// lost on a tun device, so nothing is ever sent again.
pub struct Peer<'a> {
    tun: &'a Tun,
    own: SocketAddr,
    other: SocketAddr,
    /// Our next sequence number.
    next: u32,
    /// The other end's next sequence number.
    expected: u32,
}

impl<'a> Peer<'a> {
    /// Our initial sequence number, the last before the wrap: relative numbers have to be counted modulo 2^32.
    pub const ISN: u32 = u32::MAX;

    /// The maximum segment size of our SYN,ACK.
    pub const MSS: u16 = 1234;

    /// Waits for a SYN to any address and port of the device and answers it; returns after the ACK.
    #[track_caller]
    pub fn accept(tun: &'a Tun) -> Self {
        let syn = tun.receive();
        assert!(syn.syn && syn.ack.is_none(), "a SYN is due: {syn:?}");
        let mut peer = Self { tun, own: syn.to, other: syn.from, next: Self::ISN, expected: syn.seq.wrapping_add(1) };
        let [high, low] = Self::MSS.to_be_bytes();
        peer.send(SYN | ACK, &[2, 4, high, low]);
        peer.next = peer.next.wrapping_add(1);
        let ack = peer.receive();
        assert!(!ack.fin && ack.length == 0, "the ACK of the handshake is due: {ack:?}");
        peer
    }

    /// Takes a data segment and acknowledges it; returns its length.
    #[track_caller]
    pub fn receive_data(&mut self) -> u32 {
        let data = self.receive();
        assert!(data.length > 0 && !data.fin, "data is due: {data:?}");
        self.expected = self.expected.wrapping_add(data.length);
        self.send(ACK, &[]);
        data.length
    }

    /// Takes the other end's FIN and acknowledges it.
    #[track_caller]
    pub fn receive_fin(&mut self) {
        let fin = self.receive();
        assert!(fin.fin && fin.length == 0, "a FIN is due: {fin:?}");
        self.expected = self.expected.wrapping_add(1);
        self.send(ACK, &[]);
    }

    /// Closes our side; returns after the ACK.
    #[track_caller]
    pub fn close(mut self) {
        self.send(FIN | ACK, &[]);
        self.next = self.next.wrapping_add(1);
        self.receive();
    }

    /// The next segment of this connection, which has to acknowledge all that we sent and to be in order.
    #[track_caller]
    fn receive(&self) -> Received {
        let received = self.tun.receive();
        assert_eq!((received.from, received.to), (self.other, self.own), "{received:?}");
        assert_eq!((received.seq, received.ack), (self.expected, Some(self.next)), "{received:?}");
        received
    }

    #[track_caller]
    fn send(&self, flags: u8, options: &[u8]) {
        self.tun.send(&tcp_packet(self.own, self.other, flags, (self.next, self.expected), options, &[]));
    }
}
