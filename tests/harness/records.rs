//! Access to records, and their description in a few words, so that a test can compare whole lists.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// Returns true if a record has this type.
pub fn is_type(record: &Value, kind: &str) -> bool {
    record["type"] == kind
}

/// Returns a text field.
#[track_caller]
pub fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {record}"))
}

/// Returns a numeric field.
#[track_caller]
pub fn number(record: &Value, field: &str) -> u64 {
    record[field].as_u64().unwrap_or_else(|| panic!("no number `{field}` in {record}"))
}

/// Returns the port of one end: `local`, `remote`, `src` or `dst`.
pub fn port(record: &Value, end: &str) -> Option<u16> {
    record[end]["port"].as_u64().and_then(|port| u16::try_from(port).ok())
}

/// Returns address and port of one end.
pub fn endpoint(record: &Value, end: &str) -> Option<SocketAddr> {
    let address: IpAddr = record[end]["addr"].as_str()?.parse().ok()?;
    Some(SocketAddr::new(address, port(record, end)?))
}

/// Describes a record in a few words: `client CLOSE > SYN_SENT`, `listener CLOSE > LISTEN`, `server S. 0:0 ack 1` (flags,
/// relative sequence numbers of its first byte and of the byte after its last, relative acknowledgement), `icmp 3/3`. The
/// end with `server_port` is the server.
#[track_caller]
pub fn line_of(record: &Value, server_port: u16) -> String {
    match text(record, "type") {
        "state" => {
            let who = match (record["role"].as_str(), record["conn"].is_null()) {
                (Some(role), false) => role,
                (None, false) => "nobody",
                (None, true) => "listener",
                (Some(_), true) => panic!("a role without a connection: {record}"),
            };
            format!("{who} {} > {}", text(record, "old"), text(record, "new"))
        }
        "segment" => {
            let who = if port(record, "src") == Some(server_port) { "server" } else { "client" };
            let (first, length) = (number(record, "rel_seq"), number(record, "length"));
            let ack = record["rel_ack"].as_u64().map(|ack| format!(" ack {ack}")).unwrap_or_default();
            format!("{who} {} {first}:{}{ack}", text(record, "flags"), first + length)
        }
        "icmp" => format!("icmp {}/{}", number(record, "icmp_type"), number(record, "icmp_code")),
        other => panic!("{other} is not an event: {record}"),
    }
}

/// Describes each record of a list.
#[track_caller]
pub fn lines_of(records: &[&Value], server_port: u16) -> Vec<String> {
    records.iter().map(|record| line_of(record, server_port)).collect()
}

/// Returns the descriptions of the events of one end.
pub fn of_sender(lines: &[String], who: &str) -> Vec<String> {
    lines.iter().filter_map(|line| line.strip_prefix(who)?.strip_prefix(' ').map(str::to_owned)).collect()
}
