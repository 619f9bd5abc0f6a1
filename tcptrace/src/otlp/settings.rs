//! The environment variables common to OpenTelemetry's exporters.
//!
//! See <https://opentelemetry.io/docs/specs/otel/protocol/exporter/> and
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;
use thiserror::Error;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const AGGREGATION: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// An environment variable whose value cannot be used. The value may be secret, so no message contains it.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("the environment variable {variable} cannot be used: give {expected}, or unset it")]
pub struct SettingError {
    variable: &'static str,
    expected: &'static str,
}

/// The kind of histograms that are exported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Histograms {
    /// Those with fixed bounds.
    Explicit,
    /// Those whose bounds grow by a constant factor.
    Exponential,
}

/// Settings of the exporter.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Headers of each request.
    pub(super) headers: HeaderMap,
    /// Maximum time for a request, including connecting and the answer.
    pub(super) timeout: Duration,
    /// The file of trusted certificates; `None` for those of the system.
    pub(super) certificate: Option<PathBuf>,
    /// True if requests are compressed.
    pub(super) gzip: bool,
    /// Attributes of the resource; they replace those of the same names.
    pub(super) resource: Vec<(String, String)>,
    /// Time between two exports of the metrics.
    pub(super) interval: Duration,
    /// Kind of the histograms among the metrics.
    pub(super) histograms: Histograms,
}

impl Settings {
    /// Reads the environment.
    pub(super) fn read() -> Result<Self, SettingError> {
        Self::of(|name| env::var_os(name))
    }

    /// Returns the settings of the variables that `variable` looks up. Empty ones count as unset.
    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name, expected| {
            let unusable = SettingError { variable: name, expected };
            set(name).map(|value| value.into_string().map_err(|_| unusable)).transpose()
        };
        let milliseconds = |name, default: Duration| {
            let expected = "a number of milliseconds from 1";
            let unusable = SettingError { variable: name, expected };
            let Some(value) = text(name, expected)? else { return Ok(default) };
            let milliseconds = value.trim().parse().ok().filter(|&milliseconds: &u64| milliseconds > 0);
            milliseconds.map(Duration::from_millis).ok_or(unusable)
        };
        let mut resource = match text(RESOURCE, LIST)? {
            Some(list) => pairs(&list).ok_or(SettingError { variable: RESOURCE, expected: LIST })?,
            None => Vec::new(),
        };
        if let Some(name) = text(SERVICE, "a name in UTF-8")? {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name));
        }
        Ok(Self {
            headers: match text(HEADERS, LIST)? {
                Some(list) => headers(&list).ok_or(SettingError { variable: HEADERS, expected: LIST })?,
                None => HeaderMap::new(),
            },
            timeout: milliseconds(TIMEOUT, Duration::from_secs(10))?,
            certificate: set(CERTIFICATE).map(PathBuf::from),
            gzip: match text(COMPRESSION, METHOD)?.as_deref() {
                None | Some("none") => false,
                Some("gzip") => true,
                Some(_) => return Err(SettingError { variable: COMPRESSION, expected: METHOD }),
            },
            resource,
            interval: milliseconds(INTERVAL, Duration::from_secs(60))?,
            histograms: match text(AGGREGATION, KINDS)?.as_deref() {
                None | Some("explicit_bucket_histogram") => Histograms::Explicit,
                Some("base2_exponential_bucket_histogram") => Histograms::Exponential,
                Some(_) => return Err(SettingError { variable: AGGREGATION, expected: KINDS }),
            },
        })
    }
}

/// The format of lists, for messages.
const LIST: &str = "a list such as name=value,other=value, with special characters as %2C";

/// The known methods of compression, for messages.
const METHOD: &str = "gzip or none";

/// The known kinds of histograms, for messages.
const KINDS: &str = "explicit_bucket_histogram or base2_exponential_bucket_histogram";

/// Parses `name=value,name=value`, whose values are percent-encoded.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    list.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn headers(list: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(list)? {
        let name: HeaderName = name.parse().ok()?;
        let mut value: HeaderValue = value.parse().ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingError> {
        Settings::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn without_variables_there_are_the_specified_defaults() {
        let Settings { headers, timeout, certificate, gzip, resource, interval, histograms } =
            settings(&[]).expect("defaults");
        assert!(headers.is_empty() && certificate.is_none() && !gzip && resource.is_empty());
        assert_eq!((timeout, interval), (Duration::from_secs(10), Duration::from_secs(60)));
        assert_eq!(histograms, Histograms::Explicit);
    }

    #[test]
    fn values_are_decoded() {
        let settings = settings(&[
            (HEADERS, "api-key=a%2Cb, x-tenant = blue,"),
            (TIMEOUT, "250"),
            (COMPRESSION, "gzip"),
            (RESOURCE, "deployment.environment.name=test%20one,service.name=other"),
            (SERVICE, "edge"),
            (AGGREGATION, "base2_exponential_bucket_histogram"),
        ])
        .expect("they are right");
        let header = |name| settings.headers.get(name).map(HeaderValue::as_bytes);
        assert_eq!((header("api-key"), header("x-tenant")), (Some(&b"a,b"[..]), Some(&b"blue"[..])));
        assert_eq!((settings.timeout, settings.gzip), (Duration::from_millis(250), true));
        assert_eq!(settings.histograms, Histograms::Exponential);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("deployment.environment.name", "test one"), pair("service.name", "edge")];
        assert_eq!(settings.resource, expected);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_value() {
        for (variable, value) in [
            (HEADERS, "secret"),
            (HEADERS, "a b=secret"),
            (HEADERS, "a=secret%0A"),
            (HEADERS, "a=%ff"),
            (TIMEOUT, "0"),
            (TIMEOUT, "-1"),
            (TIMEOUT, "1s"),
            (COMPRESSION, "zstd"),
            (RESOURCE, "=secret"),
            (INTERVAL, "often"),
            (AGGREGATION, "drop"),
        ] {
            let error = settings(&[(variable, value)]).expect_err(value).to_string();
            assert!(error.contains(variable) && !error.contains(value), "{error}");
        }
    }
}
