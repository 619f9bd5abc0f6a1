//! Infrequent lines: ICMP errors, hints, dropped segments, losses, start and end.

use std::fmt;

use super::Events;
use crate::{
    event::{AcceptQueue, HintName, LossSource, OwnerSource},
    output_record::{
        DropOutput, EndOutput, EvictedOutput, HintOutput, IcmpOutput, LostOutput, NamespaceOutput, OwnerOutput, Stamp,
        StartOutput,
    },
    render::{line_writer::Line, palette},
    tcp::TcpFlags,
    text::Escaped,
    verdict::Stalled,
};

impl Events {
    pub(super) fn start(&self, entry: &StartOutput, line: &mut Line<'_>) {
        // The schema version concerns JSON only; the other fields are for replays.
        let StartOutput {
            stamp,
            schema: _,
            version,
            hostname,
            kernel,
            netns: _,
            interfaces,
            segments: _,
            filter,
            states_of: _,
            began_ns: _,
            run: _,
        } = entry;
        self.time(stamp, line);
        // A capture has no kernel release, and its only interface is its file.
        let captured = kernel.is_none();
        line.raw(if captured { "-- reading" } else { "-- tracing" });
        for (index, interface) in interfaces.iter().enumerate() {
            let first = if captured { " " } else { " on " };
            line.raw(if index == 0 { first } else { ", " }).escaped(interface);
        }
        if !filter.is_empty() {
            line.raw("; filter: ").escaped(filter);
        }
        line.raw("; tcptrace ").raw(version).raw(" on ").escaped(hostname);
        if let Some(kernel) = kernel {
            line.raw(", Linux ").escaped(kernel);
        }
    }

    /// Writes a line about the output itself.
    pub(in crate::render) fn note(&self, stamp: &Stamp, text: fmt::Arguments<'_>, out: &mut Vec<u8>) {
        let line = &mut Line::new(out);
        self.time(stamp, line);
        line.raw("-- ").display(text).raw("\n");
    }

    pub(super) fn namespace(&self, entry: &NamespaceOutput, line: &mut Line<'_>) {
        let NamespaceOutput { stamp, netns, netns_name, interfaces } = entry;
        self.time(stamp, line);
        line.raw("-- tracing network namespace ").number(*netns);
        if let Some(name) = netns_name {
            line.raw(" (").escaped(name).raw(")");
        }
        for (index, interface) in interfaces.iter().enumerate() {
            line.raw(if index == 0 { " on " } else { ", " }).escaped(interface);
        }
    }

    pub(super) fn icmp(&self, entry: &IcmpOutput, line: &mut Line<'_>) {
        let IcmpOutput {
            stamp,
            conn,
            netns: _,
            conn_netns: _,
            interface,
            direction,
            from,
            kind,
            icmp_type,
            icmp_code,
            src,
            dst,
            seq: _,
            since_start_ns: _,
            late,
        } = entry;
        self.time(stamp, line);
        self.conn(*conn, line);
        self.passed(interface, *direction, line);
        let (ip, icmp) = if from.is_ipv4() { ("IP ", ": ICMP ") } else { ("IP6 ", ": ICMP6 ") };
        line.raw(ip).address(*from).raw(icmp);
        self.look(palette::TROUBLE, line, |line| line.raw(kind));
        line.raw(" (type ").number(*icmp_type).raw(", code ").number(*icmp_code).raw(") about ");
        line.dotted(src).raw(" > ").dotted(dst).late_mark(*late);
    }

    /// Writes the process that holds a socket.
    pub(super) fn owner(&self, entry: &OwnerOutput, line: &mut Line<'_>) {
        // The endpoints distinguish sockets for human readers; the time of the request is for replays.
        let OwnerOutput { stamp, conn, socket: _, netns: _, local, remote, sockets, asked_ns: _, pid, comm, source } =
            entry;
        self.time(stamp, line);
        self.conn_if_any(*conn, line);
        line.raw("owner     ").dotted(local);
        if let Some(remote) = remote {
            line.raw(" > ").dotted(remote);
        }
        line.raw(": ");
        match (pid, comm) {
            (Some(pid), Some(comm)) => line.display(Escaped(comm.bytes())).raw("[").number(*pid).raw("]"),
            (Some(pid), None) => line.raw("[").number(*pid).raw("]"),
            (None, _) => line.raw("no single process"),
        };
        line.raw("  (").raw(match source {
            OwnerSource::Event => "it changed the socket's state",
            OwnerSource::SockDiag => "it holds the socket",
            OwnerSource::Listener => "it holds the listener",
            OwnerSource::Capture => "the capture names it",
        });
        if let Some(sockets) = sockets {
            line.raw(", ").number(*sockets).raw(" sockets listen");
        }
        line.raw(")");
    }

    pub(super) fn hint(&self, entry: &HintOutput, line: &mut Line<'_>) {
        // As with states, the fields that distinguish namespaces and sockets are left out.
        let HintOutput {
            stamp,
            conn,
            netns: _,
            conn_netns: _,
            socket: _,
            name,
            value,
            state,
            local,
            remote,
            queue_full,
            queue,
            since_start_ns: _,
            late,
        } = entry;
        self.time(stamp, line);
        self.conn_if_any(*conn, line);
        line.raw("hint      ").dotted(local).raw(" > ").dotted(remote).raw(": ").raw(name.word());
        if let Some(value) = value {
            line.raw(": ");
            self.look(palette::TROUBLE, line, |line| line.display(value));
        }
        if let Some(AcceptQueue { length, limit }) = queue {
            line.raw(": ").number(*length).raw(" of ").number(*limit);
        }
        if let Some(state) = state {
            line.raw("  in ");
            self.look(palette::STATE, line, |line| line.raw(state.name()));
        }
        if *queue_full {
            line.raw(if *name == HintName::SynQueue { ", its SYN queue full" } else { ", its accept queue full" });
        }
        line.late_mark(*late);
    }

    pub(super) fn dropped(&self, entry: &DropOutput, line: &mut Line<'_>) {
        // As with states, the fields that distinguish namespaces are left out.
        let DropOutput {
            stamp,
            conn,
            netns: _,
            conn_netns: _,
            interface,
            src,
            dst,
            flags,
            seq,
            rel_seq,
            length,
            reason,
            location,
            since_start_ns: _,
            late,
        } = entry;
        self.time(stamp, line);
        self.conn_if_any(*conn, line);
        line.raw("dropped   ").dotted(src).raw(" > ").dotted(dst).raw(": Flags [").raw(flags.letters()).raw("], seq ");
        let relative = rel_seq.filter(|_| !self.absolute_seq && !flags.contains(TcpFlags::SYN));
        line.number(relative.unwrap_or(*seq)).raw(", length ").number(*length).raw(": ");
        self.look(palette::TROUBLE, line, |line| line.raw(reason.as_str()));
        if let Some(location) = location {
            line.raw(" in ").raw(location.as_str());
        }
        if let Some(interface) = interface {
            line.raw(" on ").escaped(interface);
        }
        line.late_mark(*late);
    }

    /// Writes a record's sentence; the events it summarizes are above.
    pub(super) fn verdict(&self, stamp: &Stamp, conn: u64, summary: &str, line: &mut Line<'_>) {
        self.time(stamp, line);
        self.conn(conn, line);
        line.raw("== ").raw(palette::sentence(summary, self.unicode).as_ref());
    }

    /// Writes the step that a connection waits for.
    pub(super) fn stalled(&self, stamp: &Stamp, record: &Stalled, line: &mut Line<'_>) {
        self.time(stamp, line);
        self.conn(record.conn, line);
        line.raw("== ").raw(record.word()).raw(": ").raw(palette::sentence(&record.summary, self.unicode).as_ref());
    }

    /// Writes that no more records of a connection follow.
    pub(super) fn evicted(&self, entry: &EvictedOutput, line: &mut Line<'_>) {
        let EvictedOutput { stamp, conn } = entry;
        self.time(stamp, line);
        self.conn(*conn, line);
        line.raw("-- forgotten before it ended: there are more connections than --max-connections allows");
    }

    pub(super) fn lost(&self, entry: &LostOutput, line: &mut Line<'_>) {
        let LostOutput { stamp, conn, source, count, total } = entry;
        self.time(stamp, line);
        line.raw("-- ");
        self.look(palette::TROUBLE, line, |line| {
            line.raw("lost ").long_number(*count).raw(" ").raw(match (source, *count) {
                (LossSource::State, 1) => "state record",
                (LossSource::State, _) => "state records",
                (LossSource::Segment, 1) => "segment record",
                (LossSource::Segment, _) => "segment records",
                (LossSource::Recursion, 1) => "state record that the kernel skipped",
                (LossSource::Recursion, _) => "state records that the kernel skipped",
                (LossSource::Output, 1) => "line of output",
                (LossSource::Output, _) => "lines of output",
            })
        });
        if let Some(conn) = *conn {
            line.raw(" of ");
            self.conn(conn, line);
        }
        line.raw(" (").long_number(*total).raw(" in all)");
    }

    pub(super) fn end(&self, entry: &EndOutput, line: &mut Line<'_>) {
        let EndOutput { stamp, connections, open, evicted, events, lost, left_out } = entry;
        self.time(stamp, line);
        line.raw("-- end: ")
            .long_number(*connections)
            .raw(if *connections == 1 { " connection, " } else { " connections, " })
            .long_number(*open)
            .raw(" still open, ");
        line.long_number(*evicted).raw(" forgotten; ").long_number(*events).raw(" events, ");
        line.long_number(*lost).raw(" records lost");
        if let Some(left_out) = left_out {
            line.raw("; ").long_number(*left_out).raw(" left out");
        }
    }
}
