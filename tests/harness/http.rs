//! An HTTP client for metrics.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::Netns;

/// Requests `path` with `accept` as accepted types; returns the whole answer, including its head.
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
