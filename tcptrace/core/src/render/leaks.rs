//! Sockets that wait for their process or for the other end, by the process that holds them.
//!
//! ```text
//! python3[812]   30 in CLOSE_WAIT (the other end has closed, the process has not), the oldest for 1 m 33 s at least
//!     10.0.0.2:8080 ← 10.0.0.1:51234   for 1 m 33 s at least, 18 B unread
//! ```

use std::{cmp::Reverse, fmt::Write as _};

use crate::{
    event::{Container, Process},
    output_record::LeakOutput,
    tcp::TcpState,
    text::HumanDuration,
};

/// Maximum number of sockets shown per group.
const SHOWN: usize = 10;

/// The states of sockets that wait for their process or for the other end.
pub const LEAK_STATES: [TcpState; 5] =
    [TcpState::CloseWait, TcpState::FinWait1, TcpState::FinWait2, TcpState::LastAck, TcpState::SynRecv];

/// Returns what a state of [`LEAK_STATES`] waits for.
fn meaning(state: TcpState) -> &'static str {
    match state {
        TcpState::CloseWait => "the other end has closed, the process has not",
        TcpState::FinWait1 => "closed here; the FIN, or data before it, is not acknowledged",
        TcpState::FinWait2 => "closed here, the other end has not",
        TcpState::LastAck => "both ends have closed; the FIN, or data before it, is not acknowledged",
        _ => "the handshake is not complete",
    }
}

/// Age of a socket in its state: exact, and a lower bound.
type Age = (Option<u64>, Option<u64>);

fn age(leak: &LeakOutput) -> Age {
    (leak.age_ns, leak.age_at_least_ns)
}

fn nanoseconds((exact, at_least): Age) -> Option<u64> {
    exact.or(at_least)
}

fn words((exact, at_least): Age) -> Option<String> {
    let exact = exact.map(|age| HumanDuration(age).to_string());
    exact.or_else(|| at_least.map(|age| format!("{} at least", HumanDuration(age))))
}

/// Returns text for human readers: a group for each state, process and container, the oldest first, and those of unknown age
/// last.
pub fn leaks(leaks: &[LeakOutput], unicode: bool) -> String {
    let mut sorted: Vec<&LeakOutput> = leaks.iter().collect();
    sorted.sort_by_key(|leak| Reverse(nanoseconds(age(leak))));
    let mut groups: Vec<Vec<&LeakOutput>> = Vec::new();
    for leak in sorted {
        let key = |leak: &LeakOutput| -> (TcpState, Option<u32>) {
            (leak.state, leak.processes.first().map(|process| process.pid))
        };
        let same = |group: &&mut Vec<&LeakOutput>| {
            group.first().is_some_and(|first| {
                key(first) == key(leak) && first.processes == leak.processes && first.container == leak.container
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(leak),
            None => groups.push(vec![leak]),
        }
    }
    groups.sort_by_key(|group| {
        (Reverse(group.first().and_then(|oldest| nanoseconds(age(oldest)))), Reverse(group.len()))
    });
    let mut text = String::new();
    groups.iter().for_each(|group| write_group(group, unicode, &mut text));
    text
}

fn write_group(group: &[&LeakOutput], unicode: bool, text: &mut String) {
    let Some(oldest) = group.first() else { return };
    let (count, state) = (group.len(), oldest.state);
    let mut heading =
        format!("{}   {count} in {state} ({})", holders(&oldest.processes, oldest.container.as_ref()), meaning(state));
    if let Some(age) = words(age(oldest)) {
        heading += if count == 1 { ", for " } else { ", the oldest for " };
        heading += &age;
    }
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{heading}");
    let arrow = if unicode { "↔" } else { "<->" };
    let ends = |leak: &LeakOutput| {
        let conn = leak.conn.map_or_else(String::new, |conn| format!("#{conn} "));
        format!("{conn}{} {arrow} {}", endpoint(leak.local), endpoint(leak.remote))
    };
    let lines: Vec<_> = group.iter().take(SHOWN).map(|leak| (ends(leak), remarks(leak))).collect();
    let widest = lines.iter().map(|(ends, _)| ends.chars().count()).max().unwrap_or(0);
    for (ends, remarks) in lines {
        let line = format!("    {ends:<widest$}   {remarks}");
        let _infallible = writeln!(text, "{}", line.trim_end());
    }
    if let Some(more) = count.checked_sub(SHOWN).filter(|&more| more > 0) {
        let _infallible = writeln!(text, "    and {more} more, which --json lists");
    }
}

fn endpoint(crate::output_record::EndpointOutput { addr, port }: crate::output_record::EndpointOutput) -> String {
    let port = port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    if addr.is_ipv6() { format!("[{addr}]:{port}") } else { format!("{addr}:{port}") }
}

fn holders(processes: &[Process], container: Option<&Container>) -> String {
    let mut text = match processes.split_first() {
        None => "no known process".to_owned(),
        Some((first, [])) => format!("{}[{}]", first.comm, first.pid),
        Some((first, more)) => format!("{}[{}] and {} more", first.comm, first.pid, more.len()),
    };
    if let Some(container) = container {
        text += &format!(" ({container})");
    }
    text
}

fn remarks(leak: &LeakOutput) -> String {
    let age = words(age(leak)).map(|age| format!("for {age}"));
    let bytes =
        |count: Option<u32>, what: &str| count.filter(|&count| count > 0).map(|count| format!("{count} B {what}"));
    let parts = [age, bytes(leak.unread_bytes, "unread"), bytes(leak.unacked_bytes, "unacknowledged")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    fn leak(state: TcpState, pid: Option<u32>, port: u16, age: Age) -> LeakOutput {
        let (age_ns, age_at_least_ns) = age;
        LeakOutput {
            conn: None,
            state,
            local: samples::endpoint([10, 0, 0, 2], 80),
            remote: samples::endpoint([10, 0, 0, 1], port),
            processes: pid.map(|pid| Process { pid, comm: samples::comm("pool") }).into_iter().collect(),
            container: None,
            age_ns,
            age_at_least_ns,
            unread_bytes: Some(0),
            unacked_bytes: Some(u32::from(state == TcpState::CloseWait)),
            ..samples::leak()
        }
    }

    #[test]
    fn sockets_stand_below_their_process_and_the_oldest_first() {
        let seconds = 1_000_000_000;
        let mut sockets = vec![
            leak(TcpState::LastAck, None, 1, (None, None)),
            leak(TcpState::CloseWait, Some(7), 2, (None, Some(5 * seconds))),
            leak(TcpState::CloseWait, Some(8), 3, (None, Some(93 * seconds))),
            leak(TcpState::CloseWait, Some(7), 4, (None, Some(61 * seconds))),
            LeakOutput { conn: Some(5), ..leak(TcpState::FinWait2, Some(7), 50_000, (Some(12 * seconds), None)) },
            samples::leak(),
        ];
        let expected = "\
python3[801] and 1 more (cri-o web, pod shop)   1 in CLOSE_WAIT (the other end has closed, the process has not), for 1 m 33 s at least
    #3 10.0.0.2:9999 ↔ 10.0.0.1:54762   for 1 m 33 s at least, 18 B unread, 7 B unacknowledged
pool[8]   1 in CLOSE_WAIT (the other end has closed, the process has not), for 1 m 33 s at least
    10.0.0.2:80 ↔ 10.0.0.1:3   for 1 m 33 s at least, 1 B unacknowledged
pool[7]   2 in CLOSE_WAIT (the other end has closed, the process has not), the oldest for 1 m 01 s at least
    10.0.0.2:80 ↔ 10.0.0.1:4   for 1 m 01 s at least, 1 B unacknowledged
    10.0.0.2:80 ↔ 10.0.0.1:2   for 5.000 s at least, 1 B unacknowledged
pool[7]   1 in FIN_WAIT2 (closed here, the other end has not), for 12.0 s
    #5 10.0.0.2:80 ↔ 10.0.0.1:50000   for 12.0 s
no known process   1 in LAST_ACK (both ends have closed; the FIN, or data before it, is not acknowledged)
    10.0.0.2:80 ↔ 10.0.0.1:1
";
        sockets.rotate_right(1);
        assert_eq!(leaks(&sockets, true), expected);
        assert!(leaks(&sockets, false).is_ascii());
    }

    #[test]
    fn of_many_some_are_shown_and_the_rest_is_counted() {
        let sockets: Vec<_> = (1..=31).map(|port| leak(TcpState::SynRecv, Some(7), port, (None, None))).collect();
        let text = leaks(&sockets, true);
        assert_eq!(text.lines().count(), 12, "{text}");
        assert!(text.starts_with("pool[7]   31 in SYN_RECV (the handshake is not complete)\n"), "{text}");
        assert!(text.ends_with("    and 21 more, which --json lists\n"), "{text}");
    }
}
