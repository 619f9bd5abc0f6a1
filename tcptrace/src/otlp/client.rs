//! Requests to the collector by HTTP/1.1, over one connection that is kept open.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use log::debug;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{endpoint::Signal, own_connections::OwnConnections, target::Target};
use crate::host_clock;

/// Maximum length of an answer in bytes: it contains a count and a sentence.
const MAX_ANSWER: usize = 64 << 10;

/// Maximum time to wait that is accepted from a collector.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A failure of a request before it was answered. A later attempt may succeed.
#[derive(Debug, Error)]
pub(super) enum SendError {
    #[error("it cannot be reached")]
    Connect(#[source] io::Error),
    #[error("TLS with it fails")]
    Tls(#[source] io::Error),
    #[error("its answer is not valid HTTP")]
    Http(#[source] hyper::Error),
    #[error("its answer is longer than {MAX_ANSWER} bytes")]
    Long,
    #[error("its answer was cut off")]
    Torn(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
    #[error("it does not answer within {} ms (OTEL_EXPORTER_OTLP_TIMEOUT)", .0.as_millis())]
    Timeout(Duration),
}

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Time after which it may be sent again, if the collector states it.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// A client of one collector.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    own: OwnConnections,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(super) fn new(target: Target, own: OwnConnections) -> Self {
        Self { target, own, connection: None }
    }

    /// Sends a request, and returns its answer.
    pub(super) async fn send(&mut self, signal: Signal, body: Bytes) -> Result<Answer, SendError> {
        let limit = self.target.settings.timeout;
        match timeout(limit, self.try_send(signal, body)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // A late answer must not be taken for that of another request.
                self.connection = None;
                Err(SendError::Timeout(limit))
            }
        }
    }

    async fn try_send(&mut self, signal: Signal, body: Bytes) -> Result<Answer, SendError> {
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            match self.exchange(&mut kept, signal, body.clone()).await {
                Ok(answer) => {
                    self.connection = Some(kept);
                    return Ok(answer);
                }
                // An idle connection may be closed at any moment: that is not a failure of the collector.
                Err(SendError::Http(error)) => debug!("the connection to the collector has ended: {error}"),
                Err(error) => return Err(error),
            }
        }
        let mut fresh = self.connect().await?;
        let answer = self.exchange(&mut fresh, signal, body).await?;
        self.connection = Some(fresh);
        Ok(answer)
    }

    async fn exchange(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        signal: Signal,
        body: Bytes,
    ) -> Result<Answer, SendError> {
        let request = self.request(signal, body).map_err(SendError::Request)?;
        answer(connection.send_request(request).await.map_err(SendError::Http)?).await
    }

    fn request(&self, signal: Signal, body: Bytes) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let Target { endpoint, settings, .. } = &self.target;
        let mut request = Request::post(endpoint.path(signal))
            .header(HOST, endpoint.authority())
            .header(USER_AGENT, concat!("tcptrace/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))?;
        if settings.gzip {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        request.headers_mut().extend(settings.headers.clone());
        Ok(request)
    }

    /// Connects to the first address that answers.
    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>, SendError> {
        let endpoint = &self.target.endpoint;
        // If the resolver does not answer, the last known addresses may still be correct.
        match lookup_host((endpoint.host.as_str(), endpoint.port)).await {
            Ok(addresses) => self.target.addresses = addresses.collect(),
            Err(error) => debug!("{} cannot be looked up again: {error}", endpoint.host),
        }
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for &address in &self.target.addresses {
            match self.connect_to(address).await {
                Ok(stream) => return self.speak(stream).await,
                Err(error) => failed = error,
            }
        }
        Err(SendError::Connect(failed))
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let (socket, any) = match address {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
        };
        // The port must be known before the first event of the connection.
        socket.bind(any)?;
        self.own.note(socket.local_addr()?.port(), address);
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn speak(&self, stream: TcpStream) -> Result<SendRequest<Full<Bytes>>, SendError> {
        match &self.target.tls {
            None => handshake(stream).await,
            Some(tls) => {
                let connector = TlsConnector::from(tls.config.clone());
                handshake(connector.connect(tls.name.clone(), stream).await.map_err(SendError::Tls)?).await
            }
        }
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, SendError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(SendError::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!("the connection to the collector has failed: {error}");
        }
    });
    Ok(sender)
}

async fn answer(response: Response<Incoming>) -> Result<Answer, SendError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body =
        body.map_err(|error| if error.is::<LengthLimitError>() { SendError::Long } else { SendError::Torn(error) })?;
    Ok(Answer { status, retry_after, body: body.to_bytes() })
}

/// Returns the time to wait in `Retry-After` (RFC 9110 §10.2.3): a number of seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = value.parse().ok().map(Duration::from_secs);
    let until = || {
        let date = httpdate::parse_http_date(value).ok()?;
        let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(date.saturating_sub(host_clock::since_epoch()))
    };
    Some(seconds.or_else(until)?.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().expect("a value"));
        retry_after(&headers)
    }

    #[test]
    fn a_time_to_wait_is_a_number_or_a_date() {
        assert_eq!(after("3"), Some(Duration::from_secs(3)));
        assert_eq!(after("86400"), Some(MAX_RETRY_AFTER));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO), "in the past");
        assert_eq!(after("Fri, 31 Dec 9999 23:59:59 GMT"), Some(MAX_RETRY_AFTER));
        assert_eq!((after("soon"), after("-1"), after("1.5")), (None, None, None));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
