//! Questions about the sockets of namespaces that are covered.

use std::{ops::Bound, time::Duration};

use log::debug;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Command,
    discovery::Found,
    news::News,
    visit::inside,
    worker::{Known, Worker},
};
use crate::{
    host_clock,
    socket_owners::{self, FourTuple, OwnersError},
};

/// Time after which no further namespace is asked for sockets that make no progress, at each request: one a second.
const ASKING: Duration = Duration::from_millis(10);

impl Worker {
    /// Answers questions until there may be a new namespace or interface; returns `None` once there will be no more. Cancel safe.
    pub(super) async fn answer(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> Option<()> {
        loop {
            let command = commands.recv().await?;
            let (mut changed, mut stuck) = (false, false);
            for command in [command].into_iter().chain(std::iter::from_fn(|| commands.try_recv().ok())) {
                match command {
                    Command::Look => changed = true,
                    Command::FindListeners(netns, tuples) => self.find_listeners(netns, &tuples),
                    Command::FindStuck => stuck = true,
                }
            }
            if stuck {
                self.find_stuck();
            }
            if changed {
                return Some(());
            }
        }
    }

    /// Finds the listeners of connections in a namespace that is covered.
    fn find_listeners(&self, netns: u32, tuples: &[FourTuple]) {
        let Some(known) = self.known.get(&netns) else { return };
        match ask(&known.found, netns, || socket_owners::listeners(tuples)) {
            Ok(listeners) => {
                let _nobody_listens = self.news.send(News::Listeners { netns, listeners });
            }
            Err(error) => debug!("the listeners of the network namespace {netns} are not found: {error:#}"),
        }
    }

    /// Finds the sockets that make no progress, in those namespaces whose turn it is: for each, the kernel walks a table that all
    /// of them share.
    fn find_stuck(&mut self) {
        let began = Instant::now();
        for _ in 0..self.known.len() {
            let later = (Bound::Excluded(self.asked), Bound::Unbounded);
            let next = self.known.range(later).next().or_else(|| self.known.first_key_value());
            let Some((&netns, _)) = next else { break };
            self.asked = netns;
            self.find_stuck_in(netns);
            if began.elapsed() >= ASKING {
                break;
            }
        }
    }

    fn find_stuck_in(&mut self, netns: u32) {
        let Some(Known { found, stuck, announced: true, .. }) = self.known.get_mut(&netns) else { return };
        let asked = host_clock::now();
        match ask(found, netns, move || stuck.look_here()) {
            Ok(sockets) if sockets.is_empty() => {}
            Ok(sockets) => {
                let _nobody_listens = self.news.send(News::Stuck { netns, asked, sockets });
            }
            Err(error) => debug!("the network namespace {netns} is not asked for sockets without progress: {error:#}"),
        }
    }
}

/// Asks the kernel inside of a namespace.
fn ask<T: Send>(
    found: &Found,
    netns: u32,
    question: impl FnOnce() -> Result<T, OwnersError> + Send,
) -> anyhow::Result<T> {
    Ok(inside(found, netns, question)??)
}
