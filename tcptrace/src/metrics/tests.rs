use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::*;

/// Serves metrics of no connections on a port chosen by the kernel.
fn served() -> std::net::SocketAddr {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.address;
    serve(listener).unwrap();
    address
}

/// Returns the whole answer to a request with these lines.
fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn each_scraper_gets_the_format_that_it_accepts() {
    let address = served();
    let text = ask(address, "GET /metrics HTTP/1.1");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    for line in [
        "# TYPE system_network_tcp_connections gauge",
        "system_network_tcp_connections 0",
        "tcptrace_evicted_connections_total 0",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
    assert!(text.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))), "{text}");
    let open_metrics = ask(address, "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,*/*");
    assert!(open_metrics.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open_metrics}");
    assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
}

#[test]
fn nothing_else_is_answered() {
    let address = served();
    for request in ["GET / HTTP/1.1", "GET /metrics/ HTTP/1.1", "GET /debug HTTP/1.1"] {
        assert!(ask(address, request).starts_with("HTTP/1.1 404 "), "{request}");
    }
    assert!(ask(address, "POST /metrics HTTP/1.1").starts_with("HTTP/1.1 405 "));
    let head = ask(address, "HEAD /metrics HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask(address, "no request at all").starts_with("HTTP/1.1 400 "));
}

#[test]
fn those_who_say_nothing_keep_nobody_out() {
    let address = served();
    // Fewer than the maximum number of connections: they hold their places until they time out.
    let silent: Vec<_> = (0..15).map(|_| TcpStream::connect(address).unwrap()).collect();
    for _ in 0..100 {
        assert!(ask(address, "GET /metrics HTTP/1.1").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    drop(silent);
}

#[test]
fn an_address_in_use_is_named() {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = Listener::bind(listener.address).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {} for --metrics; choose an address of this host and a free port from 1024 on",
            listener.address
        )
    );
}
