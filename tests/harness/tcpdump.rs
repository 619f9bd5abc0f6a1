//! tcpdump beside the tracer, as a second opinion.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    lines::Lines,
    netns::Netns,
    process::Process,
    records::{number, port, text},
    tracer::LIMIT,
};

/// A running tcpdump.
pub struct Tcpdump {
    process: Process,
    lines: Lines<String>,
    log: Lines<String>,
}

impl Tcpdump {
    /// Starts it on an interface of `netns` to read whole headers; returns as soon as it listens.
    #[track_caller]
    pub fn start(netns: &Netns, interface: &str, filter: &str) -> Self {
        // -vv: sequence numbers of bare ACKs too.
        Self::start_with(netns, interface, &["-S", "-vv"], filter)
    }

    /// Starts it with options of the test's own.
    #[track_caller]
    pub fn start_with(netns: &Netns, interface: &str, options: &[&str], filter: &str) -> Self {
        let mut command = Command::new("tcpdump");
        // Immediate, as segments still buffered are lost when it is stopped.
        command.args(["-i", interface, "-n", "-l", "--immediate-mode"]).args(options).arg(filter);
        let mut process = netns.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let lines = Lines::read(process.stdout(), |line| line);
        let log = Lines::read(process.stderr(), |line| line);
        log.wait_until("listening", LIMIT, |lines| lines.iter().any(|line| line.contains("listening on")));
        Self { process, lines, log }
    }

    /// Waits until it has shown `count` segments, stops it and returns the headers that it read.
    #[track_caller]
    pub fn finish(self, count: usize) -> Vec<Header> {
        self.finish_text(count).iter().map(|line| Header::of_tcpdump(line)).collect()
    }

    /// Waits until it has shown `count` segments, stops it and returns their lines.
    #[track_caller]
    pub fn finish_text(mut self, count: usize) -> Vec<String> {
        let is_segment = |line: &String| line.contains(": Flags [");
        self.lines.wait_until(&format!("{count} segments"), LIMIT, |lines| {
            lines.iter().filter(|line| is_segment(line)).count() >= count
        });
        self.process.signal(Signal::INT);
        self.process.wait(LIMIT);
        self.log.finish();
        self.lines.finish().into_iter().filter(is_segment).collect()
    }
}

/// A TCP header, in a form common to all readers.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Header {
    /// Source port.
    pub source_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; none without ACK.
    pub ack: Option<u32>,
    /// Destination port.
    pub destination_port: u16,
    /// Flags in tcpdump's letters.
    pub flags: String,
    /// The window field.
    pub window: u16,
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale.
    pub window_scale: Option<u8>,
    /// SACK is permitted.
    pub sack_permitted: bool,
    /// Timestamp value and echo.
    pub timestamp: Option<(u32, u32)>,
    /// Bytes of payload.
    pub length: u32,
}

impl Header {
    /// Returns the header in a `segment` record.
    #[track_caller]
    pub fn of_record(record: &Value) -> Self {
        let options = &record["options"];
        let option = |value: &Value| value.as_u64();
        Self {
            source_port: port(record, "src").expect("a segment has ports"),
            seq: narrow(number(record, "seq")),
            ack: record["ack"].as_u64().map(narrow),
            destination_port: port(record, "dst").expect("a segment has ports"),
            flags: text(record, "flags").to_owned(),
            window: narrow(number(record, "window")),
            mss: option(&options["mss"]).map(narrow),
            window_scale: option(&options["window_scale"]).map(narrow),
            sack_permitted: options["sack_permitted"].as_bool().unwrap_or(false),
            timestamp: option(&options["timestamp"]["value"])
                .map(|value| (narrow(value), narrow(number(&options["timestamp"], "echo")))),
            length: narrow(number(record, "length")),
        }
    }

    /// Returns the header in a line of `tcpdump -n -S -vv`: `10.0.0.1.50000 > 10.0.0.2.80: Flags [S], cksum 0x… (correct),
    /// seq 1, win 64240, options [mss 1460,…], length 0`.
    #[track_caller]
    fn of_tcpdump(line: &str) -> Self {
        let (ends, header) = line.split_once(": Flags [").expect("the line of a segment");
        let (flags, fields) = header.split_once(']').expect("flags in brackets");
        let mut words = ends.split_whitespace().rev();
        // With IPv6 extension headers the addresses are before these, and only the ports are here.
        let port = |word: &str| parse(word.rsplit('.').next().expect("there is always a first part"));
        let (destination, source) = (words.next(), words.nth(1));
        let (options, rest) = match fields.split_once("options [") {
            Some((before, after)) => {
                let (options, length) = after.split_once(']').expect("options in brackets");
                (options, format!("{before}{length}"))
            }
            None => ("", fields.to_owned()),
        };
        let field = |name| value_after(rest.split(','), name);
        let option = |name| value_after(options.split(','), name);
        Self {
            source_port: port(source.expect("a source")),
            seq: parse(field("seq").expect("-vv shows every sequence number")),
            ack: field("ack").map(parse),
            destination_port: port(destination.expect("a destination")),
            flags: flags.to_owned(),
            window: parse(field("win").expect("every segment has a window")),
            mss: option("mss").map(parse),
            window_scale: option("wscale").map(parse),
            sack_permitted: options.split(',').any(|option| option == "sackOK"),
            timestamp: option("TS val").map(|value| {
                let (value, echo) = value.split_once(" ecr ").expect("a timestamp has both");
                (parse(value), parse(echo))
            }),
            length: parse(field("length").expect("every segment has a length")),
        }
    }
}

fn value_after<'a>(mut fields: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    fields.find_map(|field| field.trim().strip_prefix(name)?.strip_prefix(' '))
}

/// Parses the number at the beginning of `text`: a range of sequence numbers continues with `:`, some lines with the name of
/// a protocol.
#[track_caller]
fn parse<N: std::str::FromStr>(text: &str) -> N {
    let digits = text.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

#[track_caller]
fn narrow<N: TryFrom<u64>>(value: u64) -> N {
    N::try_from(value).unwrap_or_else(|_| panic!("{value} does not fit its field"))
}
