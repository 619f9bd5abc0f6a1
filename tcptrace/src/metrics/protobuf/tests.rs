use std::collections::BTreeMap;

use super::{
    super::{
        Format, Metrics, increase,
        labels::{CloseLabels, HandshakeLabels, LossLabels, RoleLabels, StallLabels},
    },
    *,
};

/// Metrics of which each has a value, and all labels.
fn metrics() -> Metrics {
    let metrics = Metrics::default();
    let role = RoleLabels { network_tcp_handshake_role: "both" };
    for process in ["curl", "wrk", ""] {
        let labels = HandshakeLabels {
            network_tcp_handshake_role: "client",
            kind: "three_way",
            outcome: "refused",
            network_tcp_reset_cause: "no_listener",
            process: process.to_owned(),
        };
        metrics.handshakes.change(labels.clone(), increase);
        metrics.handshakes.change(labels, increase);
    }
    let close = CloseLabels {
        network_tcp_handshake_role: "server",
        kind: "reset",
        initiator: "client",
        network_tcp_reset_by: "client",
        network_tcp_reset_cause: "linger_zero",
        process: "nginx".to_owned(),
    };
    metrics.closes.change(close, increase);
    let stall = StallLabels {
        network_tcp_handshake_role: "none",
        waiting_for: "accept",
        turn: "server",
        process: String::new(),
    };
    metrics.stalls.change(stall, increase);
    for seconds in [0.0, 1e-4, 2e-4, 0.02, 0.02, 90.0] {
        metrics.connect.change(role, |times| times.observe(seconds));
        metrics.handshake.change(role, |times| times.observe(seconds));
        metrics.duration.change(role, |times| times.observe(seconds));
    }
    metrics.open.set(7);
    metrics.lost.change(LossLabels { source: "ring_buffer" }, increase);
    metrics.evicted.inc();
    metrics
}

/// Decodes a response.
fn decoded(encoded: &[u8]) -> Vec<MetricFamily> {
    let mut rest = encoded;
    let mut families = Vec::new();
    while !rest.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
    }
    families
}

/// A series by its name and the labels that are not empty.
type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Returns what a scraper of text reads, with its help texts and types by name.
fn of_text(text: &str) -> (Series, BTreeMap<String, Vec<String>>) {
    let (mut series, mut about) = (Series::new(), BTreeMap::<_, Vec<String>>::new());
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# ") {
            let (_, line) = line.split_once(' ').unwrap();
            let (name, words) = line.split_once(' ').unwrap();
            about.entry(name.to_owned()).or_default().push(words.to_owned());
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let pair = |pair: &str| {
            let (label, value) = pair.split_once('=').unwrap();
            (label.to_owned(), bound(value.trim_matches('"')))
        };
        let labels = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty()).map(pair);
        let labels = labels.filter(|(_, value)| !value.is_empty()).collect();
        series.insert((name.to_owned(), labels), value.parse().unwrap());
    }
    (series, about)
}

/// Spells numbers one way.
fn bound(value: &str) -> String {
    value.parse().map_or_else(|_| value.to_owned(), |number: f64| number.to_string())
}

/// Returns the same of protocol buffers.
fn of_families(families: Vec<MetricFamily>) -> (Series, BTreeMap<String, Vec<String>>) {
    let (mut series, mut about) = (Series::new(), BTreeMap::new());
    for family in families {
        let kind = format!("{:?}", MetricType::try_from(family.r#type).unwrap()).to_lowercase();
        about.insert(family.name.clone(), vec![family.help, kind]);
        for Metric { label, value } in family.metric {
            let labels: BTreeMap<_, _> = label.into_iter().map(|LabelPair { name, value }| (name, value)).collect();
            let mut insert = |suffix: &str, le: Option<f64>, value: f64| {
                let mut labels = labels.clone();
                labels.extend(le.map(|bound| ("le".to_owned(), bound.to_string())));
                series.insert((format!("{}{suffix}", family.name), labels), value);
            };
            match value.unwrap() {
                Value::Gauge(Number { value }) | Value::Counter(Number { value }) => insert("", None, value),
                Value::Histogram(histogram) => {
                    insert("_count", None, histogram.sample_count as f64);
                    insert("_sum", None, histogram.sample_sum);
                    for Bucket { cumulative_count, upper_bound } in histogram.bucket {
                        insert("_bucket", Some(upper_bound), cumulative_count as f64);
                    }
                }
            }
        }
    }
    (series, about)
}

#[test]
fn it_says_the_same_as_text() {
    let metrics = metrics();
    let text = String::from_utf8(metrics.encode(Format::Text).unwrap()).unwrap();
    let protobuf = metrics.encode(Format::Protobuf).unwrap();
    let (mut series, about) = of_text(&text);
    let (mut same, about_the_same) = of_families(decoded(&protobuf));
    assert_eq!(about, about_the_same);
    // The time of one response is not that of another.
    let own_cost = ("process_cpu_seconds_total".to_owned(), BTreeMap::new());
    assert!(series.remove(&own_cost) <= same.remove(&own_cost));
    assert_eq!(series, same);
    assert_eq!(about.len(), 11, "each metric of the documentation");
}

#[test]
fn metrics_without_values_are_left_out() {
    let metrics = Metrics::default();
    let (_, about) = of_text(&String::from_utf8(metrics.encode(Format::Text).unwrap()).unwrap());
    let (_, about_the_same) = of_families(decoded(&metrics.encode(Format::Protobuf).unwrap()));
    assert_eq!(about, about_the_same);
}

/// Returns the index of each bucket with its count, as a scraper reads them.
fn buckets(histogram: &Histogram) -> BTreeMap<i32, u64> {
    let (mut next, mut count, mut buckets) = (0, 0, BTreeMap::new());
    let mut deltas = histogram.positive_delta.iter();
    for BucketSpan { offset, length } in &histogram.positive_span {
        next += offset;
        for _ in 0..*length {
            count += deltas.next().expect("a difference for each bucket");
            buckets.insert(next, u64::try_from(count).expect("no negative count"));
            next += 1;
        }
    }
    assert_eq!(deltas.next(), None, "a bucket for each difference");
    buckets
}

#[test]
fn native_buckets_are_read_as_they_were() {
    let families = decoded(&encode(&metrics()));
    let family = families.iter().find(|family| family.name == "system_network_tcp_connect_duration_seconds").unwrap();
    let [Metric { value: Some(Value::Histogram(histogram)), .. }] = &*family.metric else { panic!("{family:?}") };
    assert_eq!((histogram.schema, histogram.zero_count, histogram.zero_threshold), (3, 1, 2_f64.powi(-128)));
    // The bounds between are 2^(-14 + 6/8), 2^(-13 + 6/8), 2^(-6 + 3/8) and 2^(6 + 4/8) seconds.
    assert_eq!(buckets(histogram), BTreeMap::from([(-106, 1), (-98, 1), (-45, 2), (52, 1)]));
    assert_eq!(histogram.sample_count, 6);
    assert_eq!(family.unit, "seconds");
}

#[test]
fn buckets_beside_each_other_share_a_span() {
    let mut exponential = Exponential::default();
    for seconds in [0.9, 1.05, 1.05, 1.05, 1.15, 4.0] {
        exponential.observe(seconds);
    }
    let histogram = histogram(Times { bounds: [1.0; 12], buckets: [0; 13], sum: 0.0, exponential });
    let span = |offset, length| BucketSpan { offset, length };
    assert_eq!(histogram.positive_span, [span(-1, 1), span(1, 2), span(13, 1)]);
    assert_eq!(histogram.positive_delta, [1, 2, -2, 0]);
    assert_eq!(buckets(&histogram), BTreeMap::from([(-1, 1), (1, 3), (2, 1), (16, 1)]));
}
