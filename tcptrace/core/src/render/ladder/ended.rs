//! The connections whose last record has been printed.

use std::collections::VecDeque;

use foldhash::HashSet;

/// How many are remembered.
const MOST: usize = 1 << 16;

/// Numbers of connections, the most recent ones.
#[derive(Debug, Default)]
pub(super) struct Ended {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Ended {
    pub(super) fn insert(&mut self, conn: u64) {
        if self.known.insert(conn) {
            self.order.push_back(conn);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, conn: u64) -> bool {
        self.known.contains(&conn)
    }
}
