//! Sockets that existed when tracing began.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use super::{BootTime, Cgroup, Container, Endpoint, Process};
use crate::tcp::TcpState;

/// One socket that existed when tracing began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExistingSocket {
    /// Inode number of its network namespace, if known.
    pub netns: Option<u32>,
    /// Local end.
    pub local: Endpoint,
    /// Remote end.
    pub remote: Endpoint,
    /// Its state.
    pub state: TcpState,
    /// The processes that hold it, ordered by PID.
    pub processes: Vec<Process>,
    /// The user of the process that made or accepted it, if known.
    pub uid: Option<u32>,
    /// The control group in which it was made, if known.
    pub cgroup: Option<Arc<Cgroup>>,
    /// Minimum time for which it has been in this state, in nanoseconds, if known.
    pub at_least_ns: Option<u64>,
}

/// Sockets in one state that the same processes of one container hold.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExistingGroup {
    /// State of the sockets.
    pub state: TcpState,
    /// Number of the sockets.
    pub count: u64,
    /// The processes that hold them, ordered by PID; empty if there are none or they could not be determined.
    pub processes: Vec<Process>,
    /// The container in which they were made; null if none, or unknown.
    pub container: Option<Container>,
    /// Minimum time for which the oldest has been in its state, in nanoseconds, as far as the kernel reports it; null if it
    /// does not.
    pub oldest_at_least_ns: Option<u64>,
}

/// Sockets that match the filter and existed when tracing began, by state, process and container.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Existing {
    /// Time at which the kernel was asked.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: BootTime,
    /// Number of the sockets.
    pub sockets: u64,
    /// The sockets, those in a state for longest first, and those of unknown age last.
    pub groups: Vec<ExistingGroup>,
    /// The record as one English sentence.
    pub summary: String,
    /// The sockets one by one, while they are traced: no recording has them.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub each: Vec<ExistingSocket>,
}

impl Existing {
    /// Groups sockets by state and first process.
    pub fn of(at: BootTime, sockets: Vec<ExistingSocket>) -> Self {
        let mut groups: Vec<ExistingGroup> = Vec::new();
        // Few groups share a state and a first process.
        let mut places: HashMap<(TcpState, Option<u32>), Vec<usize>> = HashMap::new();
        for ExistingSocket { state, processes, cgroup, at_least_ns, .. } in &sockets {
            let (state, at_least_ns) = (*state, *at_least_ns);
            let container = cgroup.as_ref().and_then(|cgroup| cgroup.container.as_ref());
            let places = places.entry((state, processes.first().map(|process| process.pid))).or_default();
            let same = |group: &ExistingGroup| group.processes == *processes && group.container.as_ref() == container;
            let known = places.iter().copied().find(|&place| groups.get(place).is_some_and(same));
            match known.and_then(|place| groups.get_mut(place)) {
                Some(group) => {
                    group.count += 1;
                    group.oldest_at_least_ns = group.oldest_at_least_ns.max(at_least_ns);
                }
                None => {
                    places.push(groups.len());
                    groups.push(ExistingGroup {
                        state,
                        count: 1,
                        processes: processes.clone(),
                        container: container.cloned(),
                        oldest_at_least_ns: at_least_ns,
                    });
                }
            }
        }
        Self { each: sockets, ..Self::of_groups(at, groups) }
    }

    /// Restores a record from its groups.
    pub fn of_groups(at: BootTime, mut groups: Vec<ExistingGroup>) -> Self {
        groups.sort_by_key(|group| (Reverse(group.oldest_at_least_ns), Reverse(group.count)));
        let sockets = groups.iter().fold(0, |sum: u64, group| sum.saturating_add(group.count));
        let mut states: Vec<(TcpState, u64)> = Vec::new();
        for group in &groups {
            match states.iter_mut().find(|(state, _)| *state == group.state) {
                Some((_, count)) => *count = count.saturating_add(group.count),
                None => states.push((group.state, group.count)),
            }
        }
        let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} in {state}")).collect();
        let (noun, verb) = if sockets == 1 { ("socket", "was") } else { ("sockets", "were") };
        let summary = format!("{sockets} {noun} {verb} there when tracing began: {}", states.join(", "));
        Self { at, sockets, groups, summary, each: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Comm,
        tcp::TcpState::{CloseWait, Established, FinWait1},
    };

    fn socket(state: TcpState, pid: Option<u32>, at_least_ns: Option<u64>) -> ExistingSocket {
        let processes = pid.map(|pid| Process { pid, comm: Comm([b'a'; 16]) }).into_iter().collect();
        let end = Endpoint { addr: [127, 0, 0, 1].into(), port: 80 };
        ExistingSocket { netns: None, local: end, remote: end, state, processes, uid: None, cgroup: None, at_least_ns }
    }

    #[test]
    fn the_oldest_come_first_and_those_of_unknown_age_last() {
        let sockets = [
            socket(FinWait1, None, None),
            socket(Established, Some(7), Some(5)),
            socket(CloseWait, Some(8), Some(4)),
            socket(CloseWait, Some(8), Some(9)),
            socket(CloseWait, Some(8), None),
            socket(CloseWait, Some(7), Some(1)),
        ];
        let existing = Existing::of(BootTime(3), sockets.into());
        let groups: Vec<_> = existing
            .groups
            .iter()
            .map(|group| (group.state, group.count, group.processes.first().map(|process| process.pid)))
            .collect();
        let expected =
            [(CloseWait, 3, Some(8)), (Established, 1, Some(7)), (CloseWait, 1, Some(7)), (FinWait1, 1, None)];
        assert_eq!(groups, expected);
        let summary = "6 sockets were there when tracing began: 4 in CLOSE_WAIT, 1 in ESTABLISHED, 1 in FIN_WAIT1";
        assert_eq!((existing.sockets, &*existing.summary), (6, summary));
        assert_eq!(existing.each.len(), 6);
        let recorded = Existing { each: Vec::new(), ..existing };
        assert_eq!(Existing::of_groups(recorded.at, recorded.groups.clone()), recorded);
    }

    #[test]
    fn one_socket_is_one() {
        let existing = Existing::of(BootTime(3), vec![socket(CloseWait, Some(8), Some(4))]);
        assert_eq!(existing.summary, "1 socket was there when tracing began: 1 in CLOSE_WAIT");
    }
}
