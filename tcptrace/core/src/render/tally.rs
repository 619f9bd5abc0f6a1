//! Counts of connections by verdict and by the processes at their ends, for the summary at the end of a trace.

use std::fmt::{self, Display, Formatter};

use foldhash::HashMap;

use super::ladder::{heading::endpoint, open_block::End};
use crate::{
    event::Comm,
    filter::Facts,
    output_record::{EndpointOutput, OutputRecord},
    verdict::{Reset, ResetCause},
};

/// Maximum number of groups counted separately.
const GROUPS: usize = 4096;

/// Maximum number of groups shown.
const SHOWN: usize = 16;

/// Numbers of ended connections, by verdict and processes. Open ones are not counted.
#[derive(Debug, Default)]
pub struct Tally {
    groups: HashMap<Group, u64>,
    /// Number of connections in groups that are not counted separately.
    others: u64,
}

/// Properties that the connections of a group share.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Group {
    failed: bool,
    verdict: &'static str,
    cause: Option<&'static str>,
    client: Name,
    server: Name,
}

impl Group {
    fn new(failed: bool, verdict: &'static str, reset: Option<Reset>, client: &End, server: &End) -> Self {
        // The cause of a reset, if it is proven.
        let cause = reset.map(|reset| reset.cause).filter(|&cause| cause != ResetCause::Unknown).map(Into::into);
        // A client's port differs each time.
        let client = Name::new(client, |at| at.addr.to_string());
        Self { failed, verdict, cause, client, server: Name::new(server, endpoint) }
    }
}

/// The process at an end, or the address of the end if the process is not known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Name {
    Process([u8; 16]),
    Address(String),
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(comm) => Comm(*comm).fmt(f),
            Self::Address(address) => f.write_str(address),
        }
    }
}

impl Name {
    fn new(end: &End, address: impl FnOnce(&EndpointOutput) -> String) -> Self {
        match end.process.and_then(|process| process.comm) {
            Some(Comm(comm)) => Self::Process(comm),
            None => Self::Address(address(&end.at)),
        }
    }
}

impl Tally {
    /// Counts a connection if `record` is its last verdict.
    pub fn count(&mut self, record: &OutputRecord) {
        let group = match record {
            OutputRecord::Handshake(handshake) => {
                let record = &*handshake.record;
                let Some(outcome) = record.failure() else { return };
                let failed = Facts::of_handshake(record, u64::MAX).failed();
                Group::new(failed, outcome.into(), record.reset, &(&record.client).into(), &(&record.server).into())
            }
            OutputRecord::Close(close) => {
                let record = &*close.record;
                let failed = Facts::of_close(record).failed();
                Group::new(failed, record.kind.into(), record.reset, &(&record.client).into(), &(&record.server).into())
            }
            _ => return,
        };
        if self.groups.len() < GROUPS || self.groups.contains_key(&group) {
            *self.groups.entry(group).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    /// Returns a line for each group: failures first, then by number.
    pub fn lines(&self, unicode: bool) -> Vec<String> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|(left, left_count), (right, right_count)| {
            let order = right.failed.cmp(&left.failed).then(right_count.cmp(left_count));
            let names =
                |group: &Group| (group.verdict, group.cause, group.client.to_string(), group.server.to_string());
            order.then_with(|| names(left).cmp(&names(right)))
        });
        let rest = groups.iter().skip(SHOWN).map(|(_, count)| **count).sum::<u64>() + self.others;
        groups.truncate(SHOWN);
        let arrow = if unicode { "→" } else { "->" };
        let verdict = |group: &Group| match group.cause {
            Some(cause) => format!("{} ({cause})", group.verdict),
            None => group.verdict.to_owned(),
        };
        let widest = groups.iter().map(|(group, _)| verdict(group).len()).max().unwrap_or(0);
        let line = |(group, count): &(&Group, &u64)| {
            format!("{count:>9}  {:<widest$}  {} {arrow} {}", verdict(group), group.client, group.server)
        };
        let mut lines: Vec<String> = groups.iter().map(line).collect();
        if rest > 0 {
            lines.push(format!("{rest:>9}  others"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::samples,
        verdict::{CloseKind, Outcome, Role},
    };

    fn close(kind: CloseKind, cause: Option<ResetCause>, client: &str) -> OutputRecord {
        let mut close = samples::close();
        close.record.kind = kind;
        close.record.reset = cause.map(|cause| Reset { by: Role::Server, cause });
        close.record.client.comm = Some(samples::comm(client));
        OutputRecord::Close(close)
    }

    #[test]
    fn what_failed_stands_first_and_then_what_there_is_most_of() {
        let mut tally = Tally::default();
        let mut count = |times: usize, record: OutputRecord| (0..times).for_each(|_| tally.count(&record));
        count(3, close(CloseKind::FourSegment, None, "curl"));
        count(5, close(CloseKind::FourSegment, None, "wget"));
        count(1, close(CloseKind::Reset, Some(ResetCause::UnreadData), "curl"));
        count(2, OutputRecord::Handshake(samples::handshake()));
        let mut established = samples::handshake();
        established.record.outcome = Some(Outcome::Established);
        count(9, OutputRecord::Handshake(established));
        count(9, OutputRecord::State(samples::state()));
        assert_eq!(
            tally.lines(true),
            [
                "        2  unanswered (no_listener)  curl → curl",
                "        1  reset (unread_data)       curl → 10.0.0.1:9999",
                "        5  four_segment              wget → 10.0.0.1:9999",
                "        3  four_segment              curl → 10.0.0.1:9999",
            ]
        );
    }

    #[test]
    fn many_groups_take_few_lines_and_bounded_memory() {
        let mut tally = Tally::default();
        for number in 0..GROUPS + 100 {
            tally.count(&close(CloseKind::Orderly, None, &format!("worker-{number}")));
        }
        assert_eq!(tally.groups.len(), GROUPS);
        let lines = tally.lines(false);
        assert_eq!(lines.len(), SHOWN + 1);
        assert_eq!(lines.last().map(String::as_str), Some(format!("{:>9}  others", GROUPS + 100 - SHOWN).as_str()));
    }
}
