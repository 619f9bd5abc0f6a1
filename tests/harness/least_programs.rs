//! Programs that do the minimum of a recorder, attached where the tracers' programs are: they take the time, read once, and
//! submit a record of the size of a tracer's to the ring.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::maps::{Map, MapData, RingBuf};

use crate::{
    netns::Netns,
    raw_programs::{Instruction, TC_ACT_UNSPEC, instruction, on_loopback, on_tracepoint, ring},
};

/// As large as a tracer's.
const RING_BYTES: u32 = 16 << 20;

/// Interval at which the ring is drained: much shorter than the time to fill it.
const PAUSE: Duration = Duration::from_millis(1);

/// Bytes of a record of a state change: the time, then the head of the socket.
const STATE_RECORD: i32 = 8 + 136;
/// Bytes of a record of a segment; those after the part read are left unchanged.
const SEGMENT_RECORD: i32 = 136;
/// Bytes read of a segment: Ethernet, IPv4 and TCP without options.
const SEGMENT_READ: i32 = 14 + 20 + 20;

// Of `enum bpf_func_id`.
const SKB_LOAD_BYTES: i32 = 26;
const PROBE_READ_KERNEL: i32 = 113;
const KTIME_GET_BOOT_NS: i32 = 125;
const RINGBUF_RESERVE: i32 = 131;
const RINGBUF_SUBMIT: i32 = 132;

/// Flag of `bpf_ringbuf_submit`.
const BPF_RB_NO_WAKEUP: i32 = 1;

/// Both programs, attached, and the thread that drains their ring. Removed on drop.
pub struct LeastPrograms {
    _descriptors: Vec<OwnedFd>,
    ends: Arc<AtomicBool>,
    drain: Option<JoinHandle<()>>,
}

impl LeastPrograms {
    /// The name of the program that runs at every change of a socket's state.
    pub const STATE: &str = "least_state";
    /// The name of the program that runs for every segment that leaves by `lo`.
    pub const EGRESS: &str = "least_egress";

    /// Attaches both.
    ///
    /// # Errors
    /// If the kernel refuses; before 6.6 it has no TCX.
    pub fn attach(netns: &Netns) -> io::Result<Self> {
        let descriptor = ring(RING_BYTES)?;
        let mut descriptors = Vec::from(on_tracepoint(Self::STATE, &state(descriptor.as_raw_fd()))?);
        descriptors.extend(on_loopback(netns, Self::EGRESS, &segment(descriptor.as_raw_fd()))?);
        let map = MapData::from_fd(descriptor).map_err(io::Error::other)?;
        let mut ring = RingBuf::try_from(Map::RingBuf(map)).map_err(io::Error::other)?;
        let ends = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ends);
        let drain = thread::Builder::new().name("drain".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                while ring.next().is_some() {}
                thread::park_timeout(PAUSE);
            }
        })?;
        Ok(Self { _descriptors: descriptors, ends, drain: Some(drain) })
    }
}

impl Drop for LeastPrograms {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(drain) = self.drain.take() {
            drain.thread().unpark();
            drain.join().expect("the thread that drains the ring does not panic");
        }
    }
}

fn state(ring: RawFd) -> Vec<Instruction> {
    // r6: the socket, which is the tracepoint's first argument.
    let socket = instruction(0x79, [6, 1], 0, 0);
    let read = [moved(1, 7), added(1, 8), given(2, STATE_RECORD - 8), moved(3, 6), called(PROBE_READ_KERNEL)];
    recording(ring, socket, STATE_RECORD, &read, 0)
}

fn segment(ring: RawFd) -> Vec<Instruction> {
    // r6: the context.
    let context = moved(6, 1);
    let read = [moved(1, 6), given(2, 0), moved(3, 7), added(3, 8), given(4, SEGMENT_READ), called(SKB_LOAD_BYTES)];
    recording(ring, context, SEGMENT_RECORD, &read, TC_ACT_UNSPEC)
}

/// Returns a program that keeps r6 as set by `first`, reserves a record at r7, writes the time, reads, and submits it.
fn recording(ring: RawFd, first: Instruction, bytes: i32, read: &[Instruction], result: i32) -> Vec<Instruction> {
    // The jump from after the comparison to after the submission: over everything but the last two instructions.
    let rest: Vec<_> = [moved(7, 0), called(KTIME_GET_BOOT_NS), instruction(0x7b, [7, 0], 0, 0)]
        .into_iter()
        .chain(read.iter().copied())
        .chain([moved(1, 7), given(2, BPF_RB_NO_WAKEUP), called(RINGBUF_SUBMIT)])
        .collect();
    // r1: the map, whose descriptor the kernel replaces (BPF_PSEUDO_MAP_FD).
    let reserve = [
        first,
        instruction(0x18, [1, 1], 0, ring),
        instruction(0, [0, 0], 0, 0),
        given(2, bytes),
        given(3, 0),
        called(RINGBUF_RESERVE),
        instruction(0x15, [0, 0], rest.len() as i16, 0),
    ];
    let end = [given(0, result), instruction(0x95, [0, 0], 0, 0)];
    reserve.into_iter().chain(rest).chain(end).collect()
}

const fn moved(to: u8, from: u8) -> Instruction {
    instruction(0xbf, [to, from], 0, 0)
}

const fn given(to: u8, value: i32) -> Instruction {
    instruction(0xb7, [to, 0], 0, value)
}

const fn added(to: u8, value: i32) -> Instruction {
    instruction(0x07, [to, 0], 0, value)
}

const fn called(helper: i32) -> Instruction {
    instruction(0x85, [0, 0], 0, helper)
}
