//! The formats of a response, and the choice among them.

/// The format of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// The text format of Prometheus 0.0.4.
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
    /// Prometheus' protocol buffers, the only format with native histograms.
    Protobuf,
}

/// The message of which a response in protocol buffers consists.
const MESSAGE: &str = "io.prometheus.client.MetricFamily";

impl Format {
    /// Returns the format that the `Accept` header of a request prefers, the richest one of several with the same weight;
    /// text if it names none.
    pub(super) fn accepted(accept: &str) -> Self {
        let ranges = accept.split(',').filter_map(Self::of_range);
        let wanted = ranges.filter(|&(_, weight)| weight > 0.0);
        let best = wanted.max_by(|(one, weight), (other, than)| weight.total_cmp(than).then(one.richness(*other)));
        best.map_or(Self::Text, |(format, _)| format)
    }

    /// Returns the format that an element of an `Accept` header names, and its weight.
    fn of_range(range: &str) -> Option<(Self, f32)> {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let parameter = |wanted: &str| {
            let found = parameters.iter().find(|(name, _)| name.trim_end().eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().trim_matches('"'))
        };
        let format = match media_type.as_str() {
            "application/vnd.google.protobuf" => {
                let delimited = parameter("encoding") == Some("delimited") && parameter("proto") == Some(MESSAGE);
                delimited.then_some(Self::Protobuf)?
            }
            "application/openmetrics-text" => Self::OpenMetrics,
            "text/plain" | "text/*" | "*/*" => Self::Text,
            _ => return None,
        };
        // A weight that is no number is not one that a scraper means.
        let weight = parameter("q").map_or(Some(1.0), |weight| weight.parse().ok())?;
        Some((format, weight))
    }

    /// Compares how much the formats can express.
    fn richness(self, other: Self) -> std::cmp::Ordering {
        (self as u8).cmp(&(other as u8))
    }

    /// Returns the value of the `Content-Type` header.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    #[test]
    fn each_scraper_gets_what_it_prefers() {
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Text),
            ("application/openmetrics-text;version=1.0.0,*/*", Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.7", Format::Text),
            // Prometheus 2.42 without native histograms.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (PROTOBUF, Format::Protobuf),
            // In any case and order, and with quotes.
            (
                "Application/Vnd.Google.Protobuf; Encoding=\"delimited\"; Proto=\"io.prometheus.client.MetricFamily\"",
                Format::Protobuf,
            ),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
        for (weights, format) in [
            // Prometheus 2.42, and 3 with its names in UTF-8.
            (
                ",application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::Protobuf,
            ),
            (";escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5", Format::Protobuf),
            (";q=0.3,text/plain;version=0.0.4;q=0.7", Format::Text),
            (";q=0,text/plain;q=0.1", Format::Text),
            (";q=much,text/plain;q=0.1", Format::Text),
            (",application/openmetrics-text,text/plain", Format::Protobuf),
        ] {
            assert_eq!(Format::accepted(&format!("{PROTOBUF}{weights}")), format, "{weights}");
        }
    }

    #[test]
    fn other_protocol_buffers_are_not_served() {
        for accept in [
            "application/vnd.google.protobuf",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            "application/vnd.google.protobuf;proto=io.prometheus.write.v2.Request;encoding=delimited",
        ] {
            assert_eq!(Format::accepted(accept), Format::Text, "{accept}");
        }
    }
}
