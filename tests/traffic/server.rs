//! A server: a thread for each connection.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
};

use socket2::{Domain, Socket, Type};

use crate::{Closer, Request};

/// Returns a listener beside others at the same address and port.
pub(crate) fn listen(at: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None).expect("a socket can be made");
    socket.set_reuse_port(true).expect("a new socket can share its port");
    socket.bind(&at.into()).unwrap_or_else(|error| panic!("{at} cannot be bound: {error}"));
    socket.listen(1024).expect("a bound socket can listen");
    socket.into()
}

/// Returns the listener that is stdin.
pub(crate) fn inherited() -> TcpListener {
    io::stdin().as_fd().try_clone_to_owned().expect("stdin can be duplicated").into()
}

/// Serves until it is killed.
pub(crate) fn serve(listener: &TcpListener) {
    println!("ready");
    loop {
        let (stream, from) = listener.accept().expect("a connection can be accepted");
        std::thread::spawn(move || {
            answer(stream);
            println!("{from}");
        });
    }
}

/// Performs the request, and closes.
fn answer(mut stream: TcpStream) {
    let mut request = [0; Request::LENGTH];
    stream.read_exact(&mut request).expect("a request");
    let request = Request::read(request).expect("a request that makes sense");
    let up = io::copy(&mut (&stream).take(request.up.into()), &mut io::sink()).expect("the bytes up");
    assert_eq!(up, u64::from(request.up));
    stream.write_all(&vec![b'x'; request.down as usize]).expect("the bytes down");
    let last = stream.read(&mut [0]);
    match request.closer {
        Closer::Client => assert_eq!(last.expect("the end of the stream"), 0),
        Closer::Server => assert_eq!(last.expect("the word to close"), 1),
        Closer::Reset => assert_eq!(last.expect_err("a reset").kind(), io::ErrorKind::ConnectionReset),
    }
}
