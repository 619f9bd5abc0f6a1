//! Lines about sockets that the kernel lists, rather than about events.

use super::Events;
use crate::{
    event::{ExistingGroup, Process},
    output_record::{ExistingOutput, LeakOutput, ReportOutput},
    render::{line_writer::Line, palette},
    text::HumanDuration,
};

/// Maximum number of groups that text shows.
const SHOWN: usize = 20;

impl Events {
    /// Writes the sentence, and a line for each group.
    pub(super) fn existing(&self, entry: &ExistingOutput, line: &mut Line<'_>) {
        let ExistingOutput { stamp, record } = entry;
        self.time(stamp, line);
        line.raw("-- ").raw(&record.summary);
        for group in record.groups.iter().take(SHOWN) {
            line.raw("\n");
            self.time(stamp, line);
            self.group(group, line);
        }
        if let Some(more) = record.groups.len().checked_sub(SHOWN).filter(|&more| more > 0) {
            line.raw("\n");
            self.time(stamp, line);
            line.raw("--   and ").long_number(more as u64).raw(" more groups, with the rest");
        }
    }

    fn group(&self, group: &ExistingGroup, line: &mut Line<'_>) {
        let ExistingGroup { state, count, processes, container, oldest_at_least_ns } = group;
        line.raw("--   ").long_number(*count).raw(" in ");
        self.look(palette::STATE, line, |line| line.raw(state.name()));
        line.raw(": ").processes(processes);
        if let Some(container) = container {
            line.raw(" (").display(container).raw(")");
        }
        if let Some(oldest) = *oldest_at_least_ns {
            let which = if *count == 1 { ", for " } else { ", the oldest for " };
            line.raw(which).display(HumanDuration(oldest)).raw(" at least");
        }
    }

    /// Writes the kernel's report of a socket.
    pub(super) fn report(&self, entry: &ReportOutput, line: &mut Line<'_>) {
        let ReportOutput {
            stamp,
            conn,
            netns: _,
            conn_netns: _,
            state,
            local,
            remote,
            unaccepted,
            unacked_bytes,
            acked_bytes: _,
            retransmissions,
            window_closed,
            segment_size: _,
            stuck_ns,
            since_start_ns: _,
        } = entry;
        self.time(stamp, line);
        self.conn(*conn, line);
        line.raw("socket    ").dotted(local).raw(" > ").dotted(remote).raw(": in ");
        self.look(palette::STATE, line, |line| line.raw(state.name()));
        line.raw(if *unaccepted { ", not accepted" } else { "" });
        line.raw(", ").number(*unacked_bytes).raw(" B unacknowledged, ").number(*retransmissions);
        line.raw(if *retransmissions == 1 { " timeout" } else { " timeouts" });
        line.raw(if *window_closed { ", the window closed" } else { "" });
        if *stuck_ns > 0 {
            line.raw(", for ").display(HumanDuration(*stuck_ns)).raw(" at least");
        }
    }

    /// Writes a socket that `tcptrace leaks` lists.
    pub(super) fn leak(&self, entry: &LeakOutput, line: &mut Line<'_>) {
        // The namespace's number would be too long.
        let LeakOutput {
            stamp,
            conn,
            netns: _,
            state,
            local,
            remote,
            processes,
            container,
            age_ns,
            age_at_least_ns,
            unread_bytes,
            unacked_bytes,
        } = entry;
        self.time(stamp, line);
        self.conn_if_any(*conn, line);
        self.look(palette::STATE, line, |line| line.raw(state.name()));
        line.raw("  ").dotted(local).raw(" > ").dotted(remote).raw(": ").processes(processes);
        if let Some(container) = container {
            line.raw(" (").display(container).raw(")");
        }
        line.age(*age_ns, *age_at_least_ns);
        line.bytes(*unread_bytes, " B unread").bytes(*unacked_bytes, " B unacknowledged");
    }
}

impl Line<'_> {
    fn processes(&mut self, processes: &[Process]) -> &mut Self {
        let Some((Process { pid, comm }, more)) = processes.split_first() else { return self.raw("no known process") };
        self.display(comm).raw("[").number(*pid).raw("]");
        if !more.is_empty() {
            self.raw(" and ").long_number(more.len() as u64).raw(" more");
        }
        self
    }

    fn age(&mut self, exact: Option<u64>, at_least: Option<u64>) -> &mut Self {
        match (exact, at_least) {
            (Some(age), _) => self.raw(", for ").display(HumanDuration(age)),
            (None, Some(age)) => self.raw(", for ").display(HumanDuration(age)).raw(" at least"),
            (None, None) => self,
        }
    }

    fn bytes(&mut self, count: Option<u32>, what: &str) -> &mut Self {
        match count {
            Some(count @ 1..) => self.raw(", ").number(count).raw(what),
            _ => self,
        }
    }
}
