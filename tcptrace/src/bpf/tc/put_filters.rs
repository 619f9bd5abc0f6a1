//! Attaches the clsact filters of a tracer that are missing on an interface.

use std::{io, os::fd::BorrowedFd};

use aya::programs::TcAttachType;
use log::debug;
use rustix::io::Errno;

use super::{
    clsact::Clsact,
    filter_name::{FilterName, TracerId},
};

/// Attaches the clsact filters of a tracer that are missing, all or none. Returns whether a tcptrace created the qdisc;
/// `made_qdisc` says that this is already known.
pub(crate) async fn put_filters(
    clsact: &Clsact<'_>,
    own: TracerId,
    programs: &[(BorrowedFd<'_>, TcAttachType)],
    made_qdisc: bool,
) -> io::Result<bool> {
    match try_put_filters(clsact, own, programs, made_qdisc).await {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::NODEV) => {
            // Another tracer may have removed the qdisc in between, on its exit.
            debug!("attaching clsact filters failed, trying once more: {error}");
            try_put_filters(clsact, own, programs, made_qdisc).await
        }
        done => done,
    }
}

async fn try_put_filters(
    clsact: &Clsact<'_>,
    own: TracerId,
    programs: &[(BorrowedFd<'_>, TcAttachType)],
    made_qdisc: bool,
) -> io::Result<bool> {
    let made_now = clsact.make().await?;
    // A qdisc that has just been made has no filters.
    let present = if made_now { Vec::new() } else { clsact.filters().await? };
    // The last tracer to leave a qdisc removes it, even if another tracer created it.
    let made_qdisc = made_qdisc || made_now || present.iter().any(|it| it.name.is_some_and(|name| name.made_qdisc));
    let name = FilterName { owner: own, made_qdisc };
    for &(program, side) in programs {
        if present.iter().any(|filter| filter.is_of(own) && filter.is_on(side)) {
            continue;
        }
        if let Err(error) = clsact.add(program, side, name).await {
            clsact.sweep(made_qdisc, |owner| owner == own).await?;
            return Err(error);
        }
    }
    Ok(made_qdisc)
}
