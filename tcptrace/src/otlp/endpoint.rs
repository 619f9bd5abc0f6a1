//! The address of a collector, as given by `--otlp`.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use hyper::{Uri, http::uri::Scheme};
use thiserror::Error;

/// A kind of telemetry. It determines the path of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
}

/// The base URL of a collector that takes OTLP over HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// True if requests use TLS.
    pub(super) tls: bool,
    /// Name or address of the host, without brackets.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
    /// `host:port` as given.
    authority: String,
    /// Path before `/v1/traces`, without a slash at its end.
    path: String,
}

/// A text that is not the URL of a collector.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum EndpointError {
    /// The text is not a URL.
    #[error("'{}' is not the URL of a collector: give one such as http://127.0.0.1:4318 or https://otlp.example.com", .0.escape_debug())]
    Url(String),
    /// The scheme is neither `http` nor `https`.
    #[error("'{}' is neither an http nor an https URL: only OTLP over HTTP is supported, which collectors accept on port 4318", .0.escape_debug())]
    Scheme(String),
    /// The URL has a user or a password, which would show in the list of processes.
    #[error("a user in the URL would show in the list of processes: give it as a header in OTEL_EXPORTER_OTLP_HEADERS")]
    User,
    /// The URL has a query.
    #[error("'{}' has a query, and paths are appended: give the URL up to where /v1/traces follows", .0.escape_debug())]
    Query(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Url(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(wrong()) };
        let tls = *scheme == Scheme::HTTPS;
        if !tls && *scheme != Scheme::HTTP {
            return Err(EndpointError::Scheme(text.to_owned()));
        }
        if authority.as_str().contains('@') {
            return Err(EndpointError::User);
        }
        if uri.query().is_some() {
            return Err(EndpointError::Query(text.to_owned()));
        }
        let host = authority.host();
        let named_port = authority.port().is_some();
        // `Authority` also accepts a colon followed by nothing or by a number that is too large.
        if host.is_empty() || (authority.as_str().len() > host.len() && !named_port) {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        if port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Endpoint {
    /// Returns the value of the `Host` header.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path of requests with `signal`.
    pub(super) fn path(&self, signal: Signal) -> String {
        let signal = match signal {
            Signal::Traces => "traces",
            Signal::Logs => "logs",
            Signal::Metrics => "metrics",
        };
        format!("{}/v1/{signal}", self.path)
    }
}

/// The URL.
impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Endpoint {
        url.parse().expect("a URL")
    }

    #[test]
    fn paths_of_signals_are_appended() {
        for (url, port, traces) in [
            ("http://host:4318", 4318, "/v1/traces"),
            ("http://host:4318/", 4318, "/v1/traces"),
            ("http://host", 80, "/v1/traces"),
            ("https://host/otlp/", 443, "/otlp/v1/traces"),
            ("http://[::1]:4318/a/b", 4318, "/a/b/v1/traces"),
        ] {
            let endpoint = parse(url);
            assert_eq!((endpoint.port, endpoint.path(Signal::Traces)), (port, traces.to_owned()), "{url}");
        }
        assert_eq!(parse("http://[::1]:4318").host, "::1");
        assert_eq!(parse("http://[::1]:4318").authority(), "[::1]:4318");
        assert_eq!(parse("https://host/otlp").to_string(), "https://host/otlp");
        assert!(parse("HTTPS://host").tls);
    }

    #[test]
    fn what_is_no_url_of_a_collector_is_refused() {
        for url in [
            "",
            "host",
            "host:4318",
            "/v1",
            "http://",
            "http://:4318",
            "http://a b",
            "http://host:0",
            "http://host:70000",
            "http://host:x",
        ] {
            assert_eq!(url.parse::<Endpoint>(), Err(EndpointError::Url(url.to_owned())), "{url}");
        }
        for url in ["grpc://host:4317", "ftp://host"] {
            assert_eq!(url.parse::<Endpoint>(), Err(EndpointError::Scheme(url.to_owned())));
        }
        assert_eq!("http://me:secret@host".parse::<Endpoint>(), Err(EndpointError::User));
        assert_eq!("http://host/?a=b".parse::<Endpoint>(), Err(EndpointError::Query("http://host/?a=b".to_owned())));
    }
}
