//! A minimal TCP: the other side of a tun device.

use std::net::SocketAddr;

use crate::{
    raw::tcp_packet,
    tun::{Received, Tun},
};

/// FIN, as on the wire.
pub const FIN: u8 = 0x01;
/// SYN, as on the wire.
pub const SYN: u8 = 0x02;
/// RST, as on the wire.
pub const RST: u8 = 0x04;
/// ACK, as on the wire.
pub const ACK: u8 = 0x10;

/// One end of a connection. Every step is the test's, right or wrong; nothing is ever sent unasked.
pub struct Peer<'a> {
    tun: &'a Tun,
    own: SocketAddr,
    other: SocketAddr,
    isn: u32,
    /// Our next sequence number.
    next: u32,
    /// The other end's next sequence number.
    expected: u32,
}

impl<'a> Peer<'a> {
    /// Our initial sequence number, the last before the wrap: relative numbers must be counted modulo 2^32.
    pub const ISN: u32 = u32::MAX;

    /// The maximum segment size of our SYN,ACK.
    pub const MSS: u16 = 1234;

    /// Waits for a SYN to any address and port of the device and answers it; returns after the ACK.
    #[track_caller]
    pub fn accept(tun: &'a Tun) -> Self {
        let mut peer = Self::await_syn(tun);
        peer.send_syn(ACK);
        let ack = peer.receive();
        assert!(!ack.fin && ack.length == 0, "the ACK of the handshake is due: {ack:?}");
        peer
    }

    /// Waits for a SYN to any address and port of the device, and does not answer.
    #[track_caller]
    pub fn await_syn(tun: &'a Tun) -> Self {
        let syn = tun.receive();
        assert!(syn.syn && syn.ack.is_none(), "a SYN is due: {syn:?}");
        let expected = syn.seq.wrapping_add(1);
        Self { tun, own: syn.to, other: syn.from, isn: Self::ISN, next: Self::ISN, expected }
    }

    /// Sends a SYN with this ISN from an address and port of our side.
    #[track_caller]
    pub fn send_first_syn(tun: &'a Tun, own: SocketAddr, other: SocketAddr, isn: u32) -> Self {
        let mut peer = Self { tun, own, other, isn, next: isn, expected: 0 };
        peer.send_syn(0);
        peer
    }

    /// Sends our SYN, for the first time or again, with these additional flags.
    #[track_caller]
    pub fn send_syn(&mut self, flags: u8) {
        let [high, low] = Self::MSS.to_be_bytes();
        let packet =
            tcp_packet(self.own, self.other, SYN | flags, self.numbers(self.isn, flags), &[2, 4, high, low], &[]);
        self.tun.send(&packet);
        self.next = self.isn.wrapping_add(1);
    }

    /// Waits for the other end's SYN,ACK.
    #[track_caller]
    pub fn receive_synack(&mut self) {
        let synack = self.tun.receive();
        assert!(synack.syn && synack.ack == Some(self.next), "a SYN,ACK is due: {synack:?}");
        self.expected = synack.seq.wrapping_add(1);
    }

    /// Waits for the next segment of any kind.
    #[track_caller]
    pub fn receive_any(&self) -> Received {
        self.tun.receive()
    }

    /// Receives a data segment and acknowledges it; returns its length.
    #[track_caller]
    pub fn receive_data(&mut self) -> u32 {
        let data = self.receive();
        assert!(data.length > 0 && !data.fin, "data is due: {data:?}");
        self.note_received(&data);
        self.send(ACK);
        data.length
    }

    /// Sends `count` bytes.
    #[track_caller]
    pub fn send_data(&mut self, count: u16) {
        let payload = vec![b'x'; usize::from(count)];
        self.tun.send(&tcp_packet(self.own, self.other, ACK, (self.next, self.expected), &[], &payload));
        self.next = self.next.wrapping_add(count.into());
    }

    /// Receives the other end's FIN and acknowledges it.
    #[track_caller]
    pub fn receive_fin(&mut self) {
        self.take_fin();
        self.send(ACK);
    }

    /// Closes our side; returns after the ACK.
    #[track_caller]
    pub fn close(mut self) {
        self.send_fin();
        self.receive();
    }

    /// Closes our side, and acknowledges everything received.
    #[track_caller]
    pub fn send_fin(&mut self) {
        self.send(FIN | ACK);
        self.next = self.next.wrapping_add(1);
    }

    /// Receives the other end's FIN without answering: the next segment sent acknowledges it.
    #[track_caller]
    pub fn take_fin(&mut self) {
        let fin = self.receive();
        assert!(fin.fin && fin.length == 0, "a FIN is due: {fin:?}");
        self.note_received(&fin);
    }

    /// Notes a received segment: the next segment sent acknowledges it.
    pub fn note_received(&mut self, received: &Received) {
        let end = received.seq.wrapping_add(received.length);
        self.expected = end.wrapping_add(u32::from(received.syn) + u32::from(received.fin));
    }

    /// Receives the next segment of this connection, which must acknowledge everything that we sent and be in order.
    #[track_caller]
    fn receive(&self) -> Received {
        let received = self.tun.receive();
        assert_eq!((received.from, received.to), (self.other, self.own), "{received:?}");
        assert_eq!((received.seq, received.ack), (self.expected, Some(self.next)), "{received:?}");
        received
    }

    /// Sends a segment without payload, with the next numbers.
    #[track_caller]
    pub fn send(&self, flags: u8) {
        self.tun.send(&tcp_packet(self.own, self.other, flags, self.numbers(self.next, flags), &[], &[]));
    }

    /// Returns the sequence number and, with ACK, the acknowledgement number.
    fn numbers(&self, seq: u32, flags: u8) -> (u32, u32) {
        (seq, if flags & ACK == 0 { 0 } else { self.expected })
    }
}
