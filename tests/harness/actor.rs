//! Clients and servers as the kernel sees them: named threads whose every system call is decided by a test.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use crate::{netns::Netns, process::close, real_time::RealTime};

/// Maximum time for a step of the traffic before a test fails.
pub const TRAFFIC_LIMIT: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce() + Send>;

/// A thread with a name of its own inside a namespace, on which a test runs one step after the other. The tracer shows its
/// name, its thread ID and this process's ID.
pub struct Actor {
    name: String,
    tid: u32,
    jobs: Sender<Job>,
}

/// A step in progress.
pub struct Pending<R>(Receiver<R>);

impl<R> Pending<R> {
    /// Waits for the end of the step.
    #[track_caller]
    pub fn finish(self) -> R {
        self.0.recv_timeout(2 * TRAFFIC_LIMIT).expect("the step of an actor ends, and does not fail")
    }
}

impl Actor {
    /// Starts an actor inside `netns`. Names longer than 15 bytes are truncated by the kernel.
    pub fn new(netns: &Netns, name: &str) -> Self {
        let (jobs, todo) = channel::<Job>();
        let (tell_tid, tid) = channel();
        netns.spawn(name, move || {
            let own = rustix::thread::gettid().as_raw_nonzero().get();
            // The kernel delays an ACK by 40 ms in order to send it with data. Where a test relies on that, the actor's next
            // step must come in time on a busy machine, too.
            rustix::process::setpriority_process(None, -20).expect("root may take precedence");
            tell_tid.send(own.unsigned_abs()).expect("the test waits for it");
            todo.iter().for_each(|job| job());
        });
        let tid = tid.recv().expect("an actor starts");
        Self { name: name.to_owned(), tid, jobs }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its thread ID.
    pub fn tid(&self) -> u32 {
        self.tid
    }

    /// Begins a step that waits for others.
    #[track_caller]
    pub fn start<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Pending<R> {
        let (tell, result) = channel();
        let job = move || {
            // This fails only if the test has given up.
            let _ = tell.send(job());
        };
        self.jobs.send(Box::new(job)).expect("an actor lives until its test ends");
        Pending(result)
    }

    /// Performs a step.
    #[track_caller]
    pub fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        self.start(job).finish()
    }

    /// Listens. An IPv6 wildcard also accepts IPv4 connections.
    #[track_caller]
    pub fn listen(&self, at: SocketAddr) -> TcpListener {
        self.listen_with(at, 1024, |_| {})
    }

    /// Listens on a socket that `prepare` has modified. One connection more than `backlog` may wait to be accepted.
    #[track_caller]
    pub fn listen_with(
        &self,
        at: SocketAddr,
        backlog: i32,
        prepare: impl FnOnce(&Socket) + Send + 'static,
    ) -> TcpListener {
        self.run(move || {
            let socket = socket(at);
            if at.is_ipv6() {
                socket.set_only_v6(false).expect("a new socket can be dual-stack");
            }
            socket.set_reuse_address(true).expect("a new socket can reuse addresses");
            socket.bind(&at.into()).unwrap_or_else(|error| panic!("{at} cannot be bound: {error}"));
            prepare(&socket);
            socket.listen(backlog).expect("a bound socket can listen");
            socket.into()
        })
    }

    /// Connects.
    #[track_caller]
    pub fn connect(&self, to: SocketAddr) -> TcpStream {
        self.connect_with(to, |_| {}).unwrap_or_else(|error| panic!("{to} cannot be connected to: {error}"))
    }

    /// Connects from this address and port.
    #[track_caller]
    pub fn connect_from(&self, from: SocketAddr, to: SocketAddr) -> TcpStream {
        let bind = move |socket: &Socket| {
            socket.set_reuse_address(true).expect("a new socket can reuse addresses");
            socket.bind(&from.into()).unwrap_or_else(|error| panic!("{from} cannot be bound: {error}"));
        };
        self.connect_with(to, bind).unwrap_or_else(|error| panic!("{to} cannot be connected to: {error}"))
    }

    /// Connects a socket that `prepare` has modified, and returns the result.
    #[track_caller]
    pub fn connect_with(
        &self,
        to: SocketAddr,
        prepare: impl FnOnce(&Socket) + Send + 'static,
    ) -> std::io::Result<TcpStream> {
        self.start_connect(to, prepare).finish()
    }

    /// Like [`Self::connect_with`], without waiting, for a peer that is played by the test.
    #[track_caller]
    pub fn start_connect(
        &self,
        to: SocketAddr,
        prepare: impl FnOnce(&Socket) + Send + 'static,
    ) -> Pending<std::io::Result<TcpStream>> {
        self.start(move || {
            let socket = socket(to);
            prepare(&socket);
            if let Err(error) = socket.connect(&to.into()) {
                close(socket);
                return Err(error);
            }
            Ok(socket.into())
        })
    }

    /// Begins to connect, and does not wait for the result.
    #[track_caller]
    pub fn begin_connect(&self, to: SocketAddr) -> Socket {
        self.run(move || begin(socket(to), to))
    }

    /// Like [`Self::begin_connect`], from this address and port.
    #[track_caller]
    pub fn begin_connect_from(&self, from: SocketAddr, to: SocketAddr) -> Socket {
        self.run(move || {
            let socket = socket(to);
            socket.set_reuse_address(true).expect("a new socket can reuse addresses");
            socket.bind(&from.into()).unwrap_or_else(|error| panic!("{from} cannot be bound: {error}"));
            begin(socket, to)
        })
    }

    /// Accepts a connection.
    #[track_caller]
    pub fn accept(&self, listener: &TcpListener) -> TcpStream {
        let listener = listener.try_clone().expect("a listener can be duplicated");
        self.run(move || {
            // Also ends accept(): otherwise a test whose client failed would hang.
            SockRef::from(&listener).set_read_timeout(Some(TRAFFIC_LIMIT)).expect("a listener can have a time-out");
            let (stream, _) = listener.accept().expect("a connection comes");
            limit(SockRef::from(&stream));
            stream
        })
    }

    /// Reads the end of a stream and closes it at once, on this actor's thread. Returns when that waits for the end.
    #[track_caller]
    pub fn start_close_at_end(&self, stream: TcpStream) -> Pending<()> {
        let (tell, begun) = channel();
        let closing = self.start(move || {
            let _real_time = RealTime::begin();
            tell.send(()).expect("the test waits for it");
            receive_end(&stream);
            close(stream);
        });
        begun.recv_timeout(TRAFFIC_LIMIT).expect("the actor is idle");
        closing
    }

    /// Returns the state of a socket of the namespace, identified by its two ports, from the kernel's own table: a state's
    /// number in hexadecimal. `None` if it no longer exists.
    #[track_caller]
    pub fn socket_state(&self, local: u16, remote: u16) -> Option<String> {
        let ports = [local, remote].map(|port| format!(":{port:04X}"));
        self.run(move || {
            let read = |name| std::fs::read_to_string(format!("/proc/thread-self/net/{name}"));
            let tables = ["tcp", "tcp6"].map(|name| read(name).expect("every namespace has these tables"));
            let lines = tables.iter().flat_map(|table| table.lines().skip(1));
            lines.map(|line| line.split_whitespace().skip(1)).find_map(|mut fields| {
                let ends = [fields.next()?, fields.next()?];
                let same = ends.iter().zip(&ports).all(|(end, port)| end.ends_with(port.as_str()));
                same.then(|| fields.next().map(str::to_owned))?
            })
        })
    }

    /// Closes a stream or a listener, on this actor's thread.
    #[track_caller]
    pub fn close<S: Send + 'static>(&self, socket: S) {
        self.run(move || close(socket));
    }
}

fn socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket can be made");
    limit(SockRef::from(&socket));
    socket
}

fn begin(socket: Socket, to: SocketAddr) -> Socket {
    socket.set_nonblocking(true).expect("a socket need not block");
    let error = socket.connect(&to.into()).expect_err("it takes time");
    assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS), "{error}");
    socket
}

fn limit(socket: SockRef<'_>) {
    socket.set_read_timeout(Some(TRAFFIC_LIMIT)).expect("a socket can have a time-out");
    socket.set_write_timeout(Some(TRAFFIC_LIMIT)).expect("a socket can have a time-out");
}

/// Sends `count` bytes.
#[track_caller]
pub fn send(mut to: &TcpStream, count: usize) {
    to.write_all(&vec![b'x'; count]).expect("the bytes can be sent");
}

/// Receives exactly `count` bytes.
#[track_caller]
pub fn receive(mut from: &TcpStream, count: usize) {
    from.read_exact(&mut vec![0; count]).expect("the bytes arrive");
}

/// Waits for the other end's FIN; no byte may come before it.
#[track_caller]
pub fn receive_end(mut from: &TcpStream) {
    let count = from.read(&mut [0; 1]).expect("the end of the stream arrives");
    assert_eq!(count, 0, "a byte came where the end of the stream was due");
}
