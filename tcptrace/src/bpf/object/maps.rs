//! Takes the maps out of the object, each to where it is read.

use std::io;

use aya::maps::{Array, HashMap, PerCpuArray, RingBuf};
use tcptrace_ebpf::names;

use super::Object;
use crate::bpf::{
    error::{LoadError, missing},
    maps::{loss_counters::LossCounters, pending_states::Pending, ring::Ring, skip_counters::SkipCounters},
};

impl Object {
    /// Takes the ring buffer.
    ///
    /// # Errors
    /// When it cannot be mapped or waited for.
    pub fn take_ring(&mut self) -> Result<Ring, LoadError> {
        let unusable = |cause| LoadError::Map { map: names::EVENTS, cause };
        let map = self.ebpf.take_map(names::EVENTS).ok_or_else(|| unusable(missing()))?;
        let ring = RingBuf::try_from(map).map_err(|e| unusable(io::Error::other(e)))?;
        let awake = self.ebpf.take_map(names::AWAKE).ok_or_else(|| unusable(missing()))?;
        let awake = Array::try_from(awake).map_err(|e| unusable(io::Error::other(e)))?;
        Ring::new(ring, awake, self.ring_bytes).map_err(unusable)
    }

    /// Takes the counters of lost events.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn take_loss_counters(&mut self) -> Result<LossCounters, LoadError> {
        let unusable = |cause| LoadError::Map { map: names::LOST, cause };
        let map = self.ebpf.take_map(names::LOST).ok_or_else(|| unusable(missing()))?;
        let lost = Array::try_from(map).map_err(|e| unusable(io::Error::other(e)))?;
        Ok(LossCounters::new(lost))
    }

    /// Takes the counters of skipped frames.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn take_skip_counters(&mut self) -> Result<SkipCounters, LoadError> {
        let unusable = |cause| LoadError::Map { map: names::SKIPPED, cause };
        let map = self.ebpf.take_map(names::SKIPPED).ok_or_else(|| unusable(missing()))?;
        let map = PerCpuArray::try_from(map).map_err(|e| unusable(io::Error::other(e)))?;
        SkipCounters::new(map).map_err(unusable)
    }

    /// Takes the map of state changes that wait for a port or a peer.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn take_pending(&mut self) -> Result<Pending, LoadError> {
        let unusable = |cause| LoadError::Map { map: names::PENDING, cause };
        let map = self.ebpf.take_map(names::PENDING).ok_or_else(|| unusable(missing()))?;
        HashMap::try_from(map).map(Pending::new).map_err(|e| unusable(io::Error::other(e)))
    }
}
