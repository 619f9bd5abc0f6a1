//! A client of HTTP for what serves metrics.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::Netns;

/// Asks for `path` and accepts `accept`; returns the whole answer, its head included.
#[track_caller]
pub fn http_get(netns: &Netns, address: SocketAddr, path: &str, accept: &str) -> String {
    netns.run(|| {
        let mut stream = TcpStream::connect(address).expect("a listener");
        let request = format!("GET {path} HTTP/1.1\r\nHost: tcptrace\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is read");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it is answered");
        String::from_utf8_lossy(&answer).into_owned()
    })
}
