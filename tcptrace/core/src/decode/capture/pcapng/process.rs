//! The options of packets, and the processes that they name: by an ID in an option of their own or, as Darwin does, by a
//! block that describes the process.

use pcap_parser::{PcapError, PcapNGOption, nom::IResult, parse_option_be, parse_option_le};

use super::Section;
use crate::{
    decode::capture::bytes::Order,
    event::{Comm, Direction, Process},
};

/// Maximum number of processes kept per section, so that no file can exhaust memory with them.
const MAX_PROCESSES: usize = 1 << 16;

/// Options of a packet block.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Options {
    pub(super) direction: Option<Direction>,
    /// `epb_processid_threadid`, the process.
    pid: Option<u32>,
    /// Place of the block that describes the process …
    described: Option<u32>,
    /// … and of that on whose behalf it acts.
    effective: Option<u32>,
}

impl Options {
    pub(super) fn read(order: Order, bytes: &[u8]) -> Self {
        const FLAGS: u16 = 2;
        const PROCESS_AND_THREAD: u16 = 8;
        // Darwin's, which Wireshark names darwin_dpeb_id and darwin_edpeb_id.
        const DESCRIBED: u16 = 0x8001;
        const EFFECTIVE: u16 = 0x8003;
        let mut options = Self::default();
        each(order, bytes, |code, value| {
            let number = order.u32(value, 0);
            match code {
                // Both kinds of packet blocks have the flags here.
                FLAGS => {
                    options.direction = match number.map(|flags| flags & 0b11) {
                        Some(0b01) => Some(Direction::In),
                        Some(0b10) => Some(Direction::Out),
                        _ => None,
                    }
                }
                PROCESS_AND_THREAD => options.pid = number.filter(|&pid| pid != 0),
                DESCRIBED => options.described = number,
                EFFECTIVE => options.effective = number,
                _ => {}
            }
        });
        options
    }
}

impl Section {
    /// Keeps the description of a process: its ID, then its name among the options.
    pub(super) fn describe_process(&mut self, body: &[u8]) {
        const NAME: u16 = 2;
        let mut comm = [0; 16];
        each(self.order, body.get(4..).unwrap_or_default(), |code, value| {
            if code == NAME {
                // As in the kernel, with room for a terminating zero.
                comm.iter_mut().take(15).zip(value).for_each(|(to, from)| *to = *from);
            }
        });
        // The kernel itself is 0.
        let pid = self.order.u32(body, 0).filter(|&pid| pid != 0);
        if self.processes.len() < MAX_PROCESSES {
            self.processes.push(pid.map(|pid| Process { pid, comm: Comm(comm) }));
        }
    }

    /// Returns the process that the options name.
    pub(super) fn process(&self, options: &Options) -> Option<Process> {
        let described = |at: Option<u32>| *self.processes.get(at? as usize)?;
        let by_id = || Some(Process { pid: options.pid?, comm: Comm([0; 16]) });
        described(options.effective).or_else(|| described(options.described)).or_else(by_id)
    }
}

/// Hands each option to `take`, with its code and value, up to the last one that can be read.
fn each(order: Order, mut bytes: &[u8], mut take: impl FnMut(u16, &[u8])) {
    const END: u16 = 0;
    while !bytes.is_empty() {
        let parsed: IResult<&[u8], PcapNGOption<'_>, PcapError<&[u8]>> = match order {
            Order::Little => parse_option_le(bytes),
            Order::Big => parse_option_be(bytes),
        };
        let Ok((rest, option)) = parsed else { return };
        if option.code.0 == END {
            return;
        }
        if let Ok(value) = option.as_bytes() {
            take(option.code.0, value);
        }
        bytes = rest;
    }
}
