//! Loads the programs, which the kernel verifies and compiles.
//!
//! Verification takes most of the time of a start. The kernel can verify several programs at once, on different
//! processors, so each is loaded by a thread of its own.

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
    held_sockets::ITERATOR,
    kernel::{btf::AttachTypes, tracepoint_format::NAME},
};

/// Loads these programs, and returns the outcome for each. Programs with typed arguments need the types that they
/// attach to.
pub(super) fn load(
    ebpf: &mut Ebpf,
    wanted: &[&'static str],
    types: Option<&AttachTypes>,
) -> Vec<(&'static str, io::Result<()>)> {
    thread::scope(|scope| {
        let mut loading = Vec::new();
        for (found, program) in ebpf.programs_mut() {
            if let Some(&name) = wanted.iter().find(|&&name| name == found) {
                let thread = thread::Builder::new().name("load".to_owned());
                loading.push((name, thread.spawn_scoped(scope, move || load_one(program, types))));
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

fn load_one(program: &mut Program, types: Option<&AttachTypes>) -> io::Result<()> {
    let types = || types.ok_or_else(|| io::Error::other("the type that it attaches to is not known"));
    let loaded = match program {
        Program::BtfTracePoint(program) => program.load(NAME, &types()?.btf),
        Program::Iter(program) => program.load(ITERATOR, &types()?.btf),
        Program::RawTracePoint(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::TracePoint(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    loaded.map_err(|error| refusal(&error))
}
