//! `tcptrace doctor`: the capabilities of this host, missing requirements, and their remedies.
//!
//! First come properties that can be queried one by one, then a connection that is actually traced, which shows any
//! other obstacle.

mod checks;
mod live;
mod report;

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

use self::report::{Report, Verdict};
use super::trace::own_netns;
use crate::{bpf::tc::stale_filters, interfaces::Interfaces, namespaces::clean_others, preflight};

/// Filters left on interfaces.
const LEFTOVERS: &str = "leftovers";

/// Prints the report. Fails where tracing would. With `clean`, filters left behind by killed tracers are removed first.
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
        runtime.block_on(clean_up(&mut report))?;
    }
    let seen = preflight::check(true).map_err(anyhow::Error::from);
    let seen = seen.and_then(|()| runtime.block_on(live::trace_own_connection()));
    checks::programs(&mut report, seen.as_ref().ok());
    checks::processes(&mut report);
    checks::live(&mut report, &seen);
    Ok(report)
}

/// Removes filters that killed tracers have left on the interfaces of all network namespaces.
async fn clean_up(report: &mut Report) -> Result<()> {
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
