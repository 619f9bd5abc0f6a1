//! A service manager, as far as services notify it: the other end of sd_notify(3).

use std::{
    io::ErrorKind,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
};

use crate::{netns::Netns, tracer::LIMIT};

/// The messages of one service.
pub struct ServiceManager {
    socket: UnixDatagram,
    name: String,
    /// All messages so far.
    messages: Vec<String>,
}

impl ServiceManager {
    /// Listens at a path.
    #[track_caller]
    pub fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a free path");
        Self::with(socket, path.to_str().expect("UTF-8").to_owned())
    }

    /// Listens at an abstract name, which is known only inside `netns`.
    #[track_caller]
    pub fn of(netns: &Netns) -> Self {
        let address = SocketAddr::from_abstract_name("tt/notify").expect("a name");
        let socket = netns.run(|| UnixDatagram::bind_addr(&address)).expect("a free name");
        Self::with(socket, "@tt/notify".to_owned())
    }

    #[track_caller]
    fn with(socket: UnixDatagram, name: String) -> Self {
        socket.set_read_timeout(Some(LIMIT)).expect("a socket can have a time-out");
        Self { socket, name, messages: Vec::new() }
    }

    /// Returns the value of `NOTIFY_SOCKET` for the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a message with a line that ends in this text.
    #[track_caller]
    pub fn wait_for(&mut self, wanted: &str) -> &str {
        loop {
            let message =
                self.receive().unwrap_or_else(|error| panic!("{error} without {wanted}: {:#?}", self.messages));
            self.messages.push(message);
            if self.messages.last().is_some_and(|message| message.lines().any(|line| line.ends_with(wanted))) {
                return self.messages.last().expect("it has just been put there");
            }
        }
    }

    /// Returns all messages, including pending ones; there must be no more senders.
    #[track_caller]
    pub fn finish(mut self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("a socket need not block");
        loop {
            match self.receive() {
                Ok(message) => self.messages.push(message),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.messages,
                Err(error) => panic!("{error}: {:#?}", self.messages),
            }
        }
    }

    /// Fills its queue, as if it were stuck.
    #[track_caller]
    pub fn fill(&self) {
        let sender = UnixDatagram::unbound().expect("a socket");
        sender.set_nonblocking(true).expect("a socket need not block");
        let address = self.socket.local_addr().expect("a bound socket has an address");
        sender.connect_addr(&address).expect("it listens");
        while sender.send(b"X=1").is_ok() {}
    }

    fn receive(&self) -> std::io::Result<String> {
        let mut buffer = [0; 4096];
        let length = loop {
            match self.socket.recv(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received?,
            }
        };
        Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
    }
}
