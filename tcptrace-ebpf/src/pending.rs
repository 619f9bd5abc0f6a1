//! The outcome of removing a state change from the map in which it waited until its socket had a port or a peer.

/// Error of `bpf_map_delete_elem` where there is no such key.
const ENOENT: i32 = 2;

/// Outcome of the attempt to take a waiting change out of its map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// This program has removed the entry, and must write it.
    Here,
    /// Another program has removed the entry before, and writes it.
    Elsewhere,
    /// The kernel refused to change the map, so no program writes the entry: it is lost.
    Nowhere,
}

impl Taken {
    /// Returns the outcome for a result of `bpf_map_delete_elem`. That is `-EBUSY` if the program has interrupted
    /// another user of the same part of the map (since 5.11; `htab_lock_bucket` of kernel/bpf/hashtab.c).
    #[inline(always)]
    pub fn of(removed: Result<(), i32>) -> Self {
        match removed {
            Ok(()) => Self::Here,
            Err(error) if error == -ENOENT => Self::Elsewhere,
            Err(_) => Self::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_else_has_taken_is_lost() {
        const EBUSY: i32 = 16;
        assert_eq!(Taken::of(Ok(())), Taken::Here);
        assert_eq!(Taken::of(Err(-ENOENT)), Taken::Elsewhere);
        assert_eq!(Taken::of(Err(-EBUSY)), Taken::Nowhere);
    }
}
