//! Has the kernel verify and compile the programs.
//!
//! Verification takes most of the start-up time, and the kernel verifies as many programs at once as there are processors: so
//! each program is loaded by a thread of its own.

use std::{
    io,
    thread::{self, ScopedJoinHandle},
};

use aya::{
    Ebpf,
    programs::{Program, ProgramError},
};

use super::{
    error::{missing, refusal},
    kernel::btf::TracepointType,
};

/// Loads these programs, and returns what came of each of them. Programs with typed arguments need the type of their tracepoint.
pub(super) fn load(
    ebpf: &mut Ebpf,
    wanted: &[&'static str],
    tracepoint: Option<&TracepointType>,
) -> Vec<(&'static str, io::Result<()>)> {
    thread::scope(|scope| {
        let mut loading = Vec::new();
        for (found, program) in ebpf.programs_mut() {
            if let Some(&name) = wanted.iter().find(|&&name| name == found) {
                let thread = thread::Builder::new().name("load".to_owned());
                loading.push((name, thread.spawn_scoped(scope, move || load_one(program, tracepoint))));
            }
        }
        let absent: Vec<_> = wanted.iter().filter(|&&name| loading.iter().all(|&(found, _)| found != name)).collect();
        let absent = absent.into_iter().map(|&name| (name, Err(missing())));
        loading.into_iter().map(|(name, started)| (name, started.and_then(outcome))).chain(absent).collect()
    })
}

fn outcome(thread: ScopedJoinHandle<'_, io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that loads it has failed")))
}

fn load_one(program: &mut Program, tracepoint: Option<&TracepointType>) -> io::Result<()> {
    let loaded = match program {
        Program::BtfTracePoint(program) => {
            let tracepoint = tracepoint.ok_or_else(|| io::Error::other("the type of the tracepoint is not known"))?;
            program.load(tracepoint.name, &tracepoint.btf)
        }
        Program::RawTracePoint(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::TracePoint(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    loaded.map_err(|error| refusal(&error))
}
