//! Events in any order, at any time.

use std::num::NonZeroU32;

use tcptrace_core::{
    decode::recording::Moment,
    event::{
        AcceptQueue, BootTime, Comm, Event, Exit, Hint, HintName, IcmpError, ListenerOwner, Loss, LossSource,
        OwnerSource, Process, Segment, SocketOwner, StateChange, Task, reset_reason::ResetReason,
    },
    tcp::{SeqNumber, TcpFlags, TcpHeader, TcpState},
    text::WallTime,
};

use crate::{
    program::{self, Look, Program, Step, Vantage},
    run::{self, Run},
};

/// Time of the first event.
const BEGIN: u64 = 1_000_000_000;

/// Runs the program, one step per nanosecond, and checks that a replay of the output gives the same output.
pub fn check(program: &Program) {
    let most = NonZeroU32::new(program.most.into()).unwrap_or(NonZeroU32::MAX);
    let mut host = Host::new(program.vantage, most);
    for step in &program.steps {
        host.step(step);
    }
    let json = host.run.finish(BootTime(host.now));
    assert_eq!(json, run::again(&json, most), "recorded, it says something else");
}

/// A traced host: the correlator under test, the clock and the vantage point.
struct Host {
    vantage: Vantage,
    run: Run,
    now: u64,
    /// Time of the last timeout: everything before it has been passed in by then.
    looked: u64,
    /// Delay of the next event in nanoseconds.
    late: u64,
    lost: u64,
}

impl Host {
    fn new(vantage: Vantage, most: NonZeroU32) -> Self {
        let mut run = if vantage == Vantage::Capture { Run::of_capture(most) } else { Run::live(most) };
        if vantage == Vantage::Owners {
            run.connections().want_owners();
        }
        if vantage != Vantage::Capture {
            run.note(Moment { at: BootTime(0), wall: WallTime(1_700_000_000_000_000_000) });
        }
        Self { vantage, run, now: BEGIN, looked: 0, late: 0, lost: 0 }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Pass { amount, unit, look } => self.pass(u64::from(amount) * unit.nanoseconds(), look),
            Step::Late(microseconds) => self.late = u64::from(microseconds) * 1_000,
            _ => {
                let late = std::mem::take(&mut self.late);
                let at = BootTime(self.now.saturating_sub(late).max(self.looked));
                if let Some(event) = self.happens(step, at) {
                    self.run.event(&event);
                }
                self.now += 1;
            }
        }
    }

    fn pass(&mut self, nanoseconds: u64, look: Look) {
        self.now += nanoseconds;
        let now = BootTime(self.now);
        match look {
            Look::Never => return,
            Look::Late => self.run.look(now),
            Look::InTime => self.run.look_in_time(now),
        }
        self.looked = self.now;
        if self.vantage == Vantage::Owners {
            let connections = self.run.connections();
            while connections.poll_unowned(now).is_some() || connections.poll_unanswered().is_some() {}
        }
    }

    /// Returns the event of a step, unless it is not visible at this vantage point.
    fn happens(&mut self, step: &Step, at: BootTime) -> Option<Event> {
        let capture = self.vantage == Vantage::Capture;
        Some(match *step {
            Step::Segment { .. } => Event::Segment(self.segment(step, at)?),
            Step::Icmp { ends, seq, kind, code } => {
                let [src, dst] = ends.endpoints();
                let (ifindex, direction) = program::interface(code >> 4);
                let (icmp_type, icmp_code, seq) = (kind, code & 0x0f, seq.number());
                Event::Icmp(IcmpError {
                    at,
                    netns: None,
                    conn_netns: None,
                    ifindex,
                    direction,
                    from: dst.addr,
                    icmp_type,
                    icmp_code,
                    src,
                    dst,
                    seq,
                })
            }
            _ if capture => return None,
            Step::State { .. } => Event::State(self.state(step, at)?),
            Step::Hint { .. } => Event::Hint(self.hint(step, at)?),
            // As in the tracer: a process is named only if it is the only holder of the socket.
            Step::Owner { ends, bits } => {
                let [local, remote] = ends.endpoints();
                let (asked, process, source) = (asked(at, bits), Some(process(bits)?), OwnerSource::SockDiag);
                Event::Owner(SocketOwner { at, asked, early: false, netns: None, local, remote, process, source })
            }
            Step::Listener { ends, bits } => {
                let [local, _] = ends.endpoints();
                let sockets = u32::from(bits >> 3 & 3) + 1;
                Event::Listener(ListenerOwner {
                    at,
                    asked: asked(at, bits),
                    netns: None,
                    local,
                    sockets,
                    process: process(bits),
                })
            }
            Step::Loss { bits } => {
                let sources = [LossSource::State, LossSource::Segment, LossSource::Recursion];
                let (source, count) = (sources[usize::from(bits) % 3], u64::from(bits >> 2) + 1);
                self.lost += count;
                Event::Loss(Loss { at, source, count, total: self.lost, placed: false })
            }
            Step::Pass { .. } | Step::Late(_) => return None,
        })
    }

    fn state(&self, step: &Step, at: BootTime) -> Option<StateChange> {
        let Step::State { socket, ends, states: [old, new], error, bits } = *step else { return None };
        let [local, remote] = ends.endpoints();
        let btf = self.vantage != Vantage::WithoutBtf;
        let errors = [0, 103, 104, 110, 111, 113, 101, 32];
        Some(StateChange {
            conn_netns: None,
            at,
            socket: socket.key(),
            netns: btf.then_some(if bits & 0x30 == 0x30 { 2 } else { 1 }),
            old: old.state(),
            new: new.state(),
            local,
            remote,
            error: btf.then_some(errors[usize::from(error) % errors.len()]),
            proof: program::proof(bits),
            task: (bits & 8 != 0).then_some(Task {
                pid: bits.into(),
                tid: bits.into(),
                comm: comm(bits),
                thread: None,
                exit: (bits & 0x40 != 0).then(|| Exit::of_wait_status(bits.into())),
            }),
            cgroup: None,
            uid: (bits & 0x20 != 0).then_some(bits.into()),
            counters: (bits & 0x80 != 0).then(|| program::counters(bits)),
        })
    }

    fn segment(&self, step: &Step, at: BootTime) -> Option<Segment> {
        let Step::Segment { socket, ends, flags, numbers: [seq, ack], length, interface, options } = *step else {
            return None;
        };
        let [src, dst] = ends.endpoints();
        let (ifindex, direction) = program::interface(interface);
        let (flags, options) = (program::flags(flags), program::options(options));
        Some(Segment {
            socket_port: None,
            netns: None,
            conn_netns: None,
            at,
            socket: socket.filter(|_| self.vantage != Vantage::Capture).map(program::Socket::key),
            ifindex,
            direction,
            src,
            dst,
            header: TcpHeader {
                src_port: src.port,
                dst_port: dst.port,
                seq: SeqNumber(seq.number()),
                ack: SeqNumber(if flags.contains(TcpFlags::ACK) { ack.number() } else { 0 }),
                data_offset: 20 + options.as_slice().len() as u8,
                flags,
                window: u16::from(length) << 4,
                urgent: 0,
                options,
            },
            length: program::length(length),
            segments: u16::from(interface >> 4).max(1),
            encapsulation: None,
        })
    }

    fn hint(&self, step: &Step, at: BootTime) -> Option<Hint> {
        let Step::Hint { socket, ends, state, bits } = *step else { return None };
        let [local, remote] = ends.endpoints();
        let hint = Hint {
            conn_netns: None,
            at,
            socket: socket.map(program::Socket::key),
            netns: (self.vantage != Vantage::WithoutBtf).then_some(1),
            local,
            remote,
            name: HintName::SendReset,
            reason: None,
            state: state.map(program::State::state),
            queue_full: bits & 0x80 != 0,
            queue: None,
        };
        let reasons =
            [ResetReason::NoSocket, ResetReason::NotSpecified, ResetReason::Other(77), ResetReason::TcpOldAck];
        Some(match bits & 3 {
            0 | 1 => Hint { reason: reasons.get(usize::from(bits >> 2 & 7)).copied(), ..hint },
            2 => Hint { name: HintName::RetransmitSynack, ..hint },
            // Looked up, not observed: only a listener has such an event.
            _ => {
                let queue = AcceptQueue { length: u32::from(bits >> 2 & 7), limit: 3 };
                let (queue_full, state) = (queue.is_full(), Some(TcpState::Listen));
                let (name, queue) = (HintName::AcceptQueue, Some(queue));
                Hint { name, socket: None, netns: None, state, queue_full, queue, ..hint }
            }
        })
    }
}

/// Returns the time at which the kernel was asked.
fn asked(at: BootTime, bits: u8) -> BootTime {
    BootTime(at.0.saturating_sub(u64::from(bits >> 5) * 10))
}

/// Returns one of a few processes, or `None` for several.
fn process(bits: u8) -> Option<Process> {
    let number = bits & 7;
    (number != 0).then_some(Process { pid: number.into(), comm: comm(number) })
}

fn comm(bits: u8) -> Comm {
    // Not every name is valid UTF-8.
    let name: &[u8; 16] = if bits & 1 == 0 { b"server\0\0\0\0\0\0\0\0\0\0" } else { b"\x1b[31m\xff\"\\\n work\0\0" };
    Comm(*name)
}
