//! `tcptrace leaks`: sockets that wait for their process or for the other end.

use std::{
    cmp::Reverse,
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use log::{debug, warn};

use super::{
    owner_lookup::existing::processes,
    replay::open_sockets,
    trace::{own_netns, select},
};
use crate::{
    cgroups::{CgroupNames, KnownGroups},
    cli::Leaks,
    host_clock::{self, nanoseconds},
    namespaces::{Selection, visit},
    say::say,
    socket_owners::{self, OwnedSocket, Snapshot, Socket},
};
use tcptrace_core::{
    correlate::OpenSocket,
    describe::Describer,
    filter::{Ends, Filter},
    output_record::{LeakOutput, OutputRecord},
    render::{Json, LEAK_STATES, Render as _, leaks},
    tcp::TcpState,
};

/// Lists the sockets, of this host or of a recording.
///
/// # Errors
/// When they cannot be listed or printed. A reader of stdout that has gone is no error.
pub fn run(options: &Leaks, unicode: bool) -> Result<ExitCode> {
    let filter = options.filter();
    let mut found = match &options.read {
        Some(path) => recorded(path, &filter)?,
        None => live(&options.netns(), &filter)?,
    };
    if found.is_empty() {
        let states = LEAK_STATES.map(TcpState::name).join(", ");
        match &options.read {
            None => say(format_args!("tcptrace: no socket that matches is in one of the states {states}")),
            Some(_) => {
                say(format_args!("tcptrace: the recording shows no socket that matches in one of the states {states}"));
            }
        }
    }
    // As in text, the longest in their state first.
    found.sort_by_key(|leak| Reverse(leak.age_ns.or(leak.age_at_least_ns)));
    let mut text = Vec::new();
    if options.json {
        found.into_iter().for_each(|leak| Json.render(&OutputRecord::Leak(leak), &mut text));
    } else {
        text = leaks(&found, unicode).into_bytes();
    }
    match std::io::stdout().write_all(&text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Returns the sockets that are open when a recording ends.
fn recorded(path: &std::path::Path, filter: &Filter) -> Result<Vec<LeakOutput>> {
    let (sockets, stamp, end) = open_sockets::at_end(path, filter)?;
    let leaks = sockets.into_iter().filter(|socket| LEAK_STATES.contains(&socket.state));
    let leak = |socket: OpenSocket| LeakOutput {
        stamp,
        conn: Some(socket.conn),
        netns: socket.netns,
        state: socket.state,
        local: socket.local.into(),
        remote: socket.remote.into(),
        processes: socket.process.into_iter().collect(),
        container: socket.cgroup.and_then(|cgroup| cgroup.container.clone()),
        age_ns: socket.since.map(|since| end.since(since)),
        age_at_least_ns: None,
        unread_bytes: None,
        unacked_bytes: None,
    };
    Ok(leaks.map(leak).collect())
}

/// Returns the sockets of the chosen network namespaces, as listed by the kernel.
fn live(netns: &[String], filter: &Filter) -> Result<Vec<LeakOutput>> {
    let own = own_netns()?;
    let selection = select(netns, &[], own)?.unwrap_or_else(|| Selection::Only(vec![own]));
    let now = host_clock::now();
    let list = || socket_owners::list(&LEAK_STATES);
    let mut listed = Vec::new();
    if selection.contains(own) {
        listed.push((own, list().context("cannot list the sockets")?));
    }
    for (inode, sockets) in visit(&selection, own, list) {
        match sockets {
            Ok(sockets) => {
                listed.push((inode, sockets.context("cannot list the sockets of another network namespace")?));
            }
            Err(error) => warn!("the sockets of the network namespace {inode} are not listed: {error}"),
        }
    }
    let in_namespace =
        |(inode, sockets): (_, Vec<_>)| sockets.into_iter().map(move |socket| Socket { netns: Some(inode), ..socket });
    let mut sockets: Vec<Socket> = listed.into_iter().flat_map(in_namespace).collect();
    sockets.retain(|socket| filter.matches(socket.local, socket.remote, Ends::LocalIsFirst));
    let snapshot = socket_owners::owners(sockets, now).context("cannot look up the processes that hold the sockets")?;
    if snapshot.lacks_owners(|_| true) {
        warn!(
            "some sockets belong to processes that may not be inspected: run as root, or with the capabilities \
             cap_sys_ptrace and cap_dac_read_search"
        );
    }
    Ok(of_snapshot(snapshot))
}

fn of_snapshot(snapshot: Snapshot) -> Vec<LeakOutput> {
    let stamp = Describer::live(host_clock::wall_clock()).stamp(snapshot.began);
    let mut names = CgroupNames::start().inspect_err(|error| debug!("containers are not named: {error}")).ok();
    let mut groups = KnownGroups::new(names.as_mut());
    let mut leak = |OwnedSocket { socket, owners }: OwnedSocket| LeakOutput {
        stamp,
        conn: None,
        netns: socket.netns,
        state: socket.state,
        local: socket.local.into(),
        remote: socket.remote.into(),
        processes: processes(&owners),
        container: socket.cgroup.and_then(|id| groups.container(id)),
        age_ns: None,
        age_at_least_ns: socket.in_state_at_least().map(nanoseconds),
        unread_bytes: Some(socket.unread),
        unacked_bytes: Some(socket.unacknowledged),
    };
    snapshot.sockets.into_iter().map(&mut leak).collect()
}
