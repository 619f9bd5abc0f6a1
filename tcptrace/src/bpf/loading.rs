//! Loads the programs, which the kernel verifies and compiles.
//!
//! Verification takes most of the time of a start. The kernel can verify several programs at once, on different
//! processors, so each is loaded by a thread of its own.

use std::{
    io,
    sync::LazyLock,
    thread::{self, ScopedJoinHandle},
};

use aya::{
    Ebpf,
    programs::{Program, ProgramError},
};

use super::{
    error::{missing, refusal},
    held_sockets::ITERATOR,
    kernel::{
        btf::{AttachTarget, AttachTypes},
        tracepoint_format::NAME,
    },
};
use crate::causes::with_causes;

/// The types that programs with typed arguments attach to. The first of the threads that needs them creates them, while
/// the kernel verifies other programs.
type Types<'a> = LazyLock<Result<AttachTypes, String>, Box<dyn FnOnce() -> Result<AttachTypes, String> + Send + 'a>>;

/// Loads these programs, and returns the outcome for each. Programs with typed arguments attach to `targets`, whose types
/// have these numbers.
pub(super) fn load(
    ebpf: &mut Ebpf,
    wanted: &[&'static str],
    targets: &[(AttachTarget, u32)],
) -> Vec<(&'static str, io::Result<()>)> {
    let types: &Types<'_> = &Types::new(Box::new(|| AttachTypes::new(targets).map_err(|error| with_causes(&error))));
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

fn load_one(program: &mut Program, types: &Types<'_>) -> io::Result<()> {
    let types = || types.as_ref().map_err(|error| io::Error::other(error.as_str()));
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
