//! Segments of an end about which later ones decide.

use super::{Claim, End};
use crate::{event::Segment, tcp::TcpFlags};

/// Segments of an end about which later ones decide.
#[derive(Clone, Debug, Default)]
pub(super) struct Undecided {
    /// The last one that acknowledges more than was seen to be sent.
    pub(super) claim: Option<Claim>,
    /// The last one that was refused, but may follow a gap of the capture.
    pub(super) kept: Option<Segment>,
}

impl End {
    /// Keeps one of its segments that acknowledges more of the other end's data than was seen to be sent.
    pub(in crate::correlate) fn claim(&mut self, claim: Claim) {
        self.undecided_mut().claim = Some(claim);
    }

    /// Returns that segment.
    pub(in crate::correlate) fn claimed(&self) -> Option<Claim> {
        self.undecided()?.claim
    }

    /// Drops that segment: later ones have decided about it.
    pub(in crate::correlate) fn settle_claim(&mut self) {
        self.settle(|undecided| undecided.claim = None);
    }

    /// Keeps one of its segments that the other end refuses, by what was seen.
    pub(in crate::correlate) fn keep(&mut self, segment: Segment) {
        self.undecided_mut().kept = Some(segment);
    }

    /// Returns that segment.
    pub(in crate::correlate) fn kept(&self) -> Option<Segment> {
        self.undecided()?.kept
    }

    /// Drops that segment: later ones have decided about it.
    pub(in crate::correlate) fn drop_kept(&mut self) {
        self.settle(|undecided| undecided.kept = None);
    }

    /// Returns true if it has sent a FIN of which nothing shows yet that the other end accepts it.
    pub(in crate::correlate) fn has_undecided_fin(&self) -> bool {
        let claimed = self.claimed().map(|claim| claim.segment);
        claimed.into_iter().chain(self.kept()).any(|segment| segment.header.has(TcpFlags::FIN))
    }

    fn settle(&mut self, drop: impl FnOnce(&mut Undecided)) {
        if let Some(undecided) = self.known_undecided() {
            drop(undecided);
        }
    }
}
