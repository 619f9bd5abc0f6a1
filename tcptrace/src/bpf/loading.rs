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

use super::error::{missing, refusal};

/// Loads these programs, and returns what came of each of them.
pub(super) fn load(ebpf: &mut Ebpf, wanted: &[&'static str]) -> Vec<(&'static str, io::Result<()>)> {
    thread::scope(|scope| {
        let mut loading = Vec::new();
        for (found, program) in ebpf.programs_mut() {
            if let Some(&name) = wanted.iter().find(|&&name| name == found) {
                let thread = thread::Builder::new().name("load".to_owned());
                loading.push((name, thread.spawn_scoped(scope, || load_one(program))));
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

fn load_one(program: &mut Program) -> io::Result<()> {
    let loaded = match program {
        Program::RawTracePoint(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::TracePoint(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    loaded.map_err(|error| refusal(&error))
}
