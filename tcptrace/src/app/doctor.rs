//! `tcptrace doctor`: the capabilities of this host, missing requirements, and their remedies.
//!
//! First come properties that can be queried one by one, then a connection that is actually traced, which shows any
//! other obstacle.

mod checks;
mod live;
mod report;

use std::{
    io::{ErrorKind, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use tcptrace_core::text::Escaped;

use self::report::{Report, Verdict};
use super::trace::own_netns;
use crate::{
    bpf::tc::stale_filters, command::remove_stale_groups, interfaces::Interfaces, namespaces::clean_others, preflight,
};

/// What killed tracers have left behind.
const LEFTOVERS: &str = "leftovers";

/// Prints the report. Fails where tracing would. With `clean`, what killed tracers have left behind is removed first.
///
/// # Errors
/// When nothing can be printed. A reader of stdout that has gone is no error.
pub fn run(clean: bool) -> Result<ExitCode> {
    let report = examine(clean)?;
    let works = report.works();
    match anstream::stdout().write_all(report.to_string().as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine(clean: bool) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::default();
    checks::host(&mut report);
    checks::capabilities(&mut report);
    if clean {
        runtime.block_on(remove_filters(&mut report))?;
        remove_groups(&mut report)?;
    }
    let seen = preflight::check(true).map_err(anyhow::Error::from);
    let seen = seen.and_then(|()| runtime.block_on(live::trace_own_connection()));
    checks::programs(&mut report, seen.as_ref().ok());
    checks::processes(&mut report);
    checks::live(&mut report, &seen);
    Ok(report)
}

/// Removes filters that killed tracers have left on the interfaces of all network namespaces.
async fn remove_filters(report: &mut Report) -> Result<()> {
    let interfaces = Interfaces::follow().context("interfaces cannot be followed through netlink")?;
    let present = interfaces.list().await.context("the interfaces of this host cannot be listed")?;
    let mut cleaned = stale_filters::clean(interfaces.netlink(), &present).await;
    for (namespace, elsewhere) in clean_others(own_netns()?).await? {
        cleaned.add(&namespace, elsewhere);
    }
    if let Some(removed) = cleaned.removed_text() {
        report.add(Verdict::Ok, LEFTOVERS, format!("removed {removed}"));
    } else if cleaned.failed.is_empty() {
        report.add(Verdict::Ok, LEFTOVERS, "no killed tcptrace has left filters here");
    }
    for (interface, error) in cleaned.failed {
        report.add(
            Verdict::Limited,
            LEFTOVERS,
            format!("filters that may be left on {interface} cannot be removed: {error}"),
        );
    }
    Ok(())
}

/// Removes the control groups that killed tracers had made for their commands.
fn remove_groups(report: &mut Report) -> Result<()> {
    let found = remove_stale_groups().context("the file systems mounted here cannot be read")?;
    match found.removed {
        0 => {}
        1 => report.add(Verdict::Ok, LEFTOVERS, "removed 1 control group made for a command".to_owned()),
        removed => report.add(Verdict::Ok, LEFTOVERS, format!("removed {removed} control groups made for commands")),
    }
    for (group, error) in found.failed {
        let group = Escaped(group.as_os_str().as_bytes());
        report.add(Verdict::Limited, LEFTOVERS, format!("the control group {group} cannot be removed: {error}"));
    }
    Ok(())
}
