//! The programs, links and filters attached in the kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
    io::ErrorKind,
    process::Command,
};

use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use serde_json::Value;

use crate::{
    netns::Netns,
    process::{eventually, output, try_output},
    tracer::LIMIT,
};

/// Returns the numbers of TCX programs on an interface: (ingress, egress). They are 0 if the kernel has no TCX.
#[track_caller]
pub fn tcx_programs(netns: &Netns, interface: &str) -> (usize, usize) {
    let name = CString::new(interface).expect("an interface name has no zero byte");
    let count = |attach_type| match SchedClassifier::query_tcx(name.as_c_str(), attach_type) {
        Ok((_, programs)) => programs.len(),
        // The kernel's answer to an unknown command.
        Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::InvalidInput => 0,
        Err(error) => panic!("{interface} cannot be asked for its programs: {error}"),
    };
    netns.run(|| (count(TcAttachType::Ingress), count(TcAttachType::Egress)))
}

/// The clsact qdisc and filters of an interface, as `tc` shows them.
#[derive(Debug, Eq, PartialEq)]
pub struct Attached {
    /// The kinds of its queueing disciplines.
    pub qdiscs: Vec<String>,
    /// Its ingress filters, a line each.
    pub ingress: String,
    /// Its egress filters, a line each.
    pub egress: String,
}

impl Attached {
    /// Queries `tc`.
    #[track_caller]
    pub fn to(netns: &Netns, interface: &str) -> Self {
        let tc = |arguments: &[&str]| output(Command::new("tc").args(["-n", netns.name()]).args(arguments));
        let qdiscs: Value = serde_json::from_str(&tc(&["-j", "qdisc", "show", "dev", interface])).expect("JSON of tc");
        let qdiscs = qdiscs.as_array().expect("a list").iter();
        Self {
            qdiscs: qdiscs.map(|qdisc| qdisc["kind"].as_str().expect("a kind").to_owned()).collect(),
            ingress: tc(&["filter", "show", "dev", interface, "ingress"]),
            egress: tc(&["filter", "show", "dev", interface, "egress"]),
        }
    }
}

/// Waits until a tracer is attached to both sides of an interface that nobody else is attached to.
#[track_caller]
pub fn wait_attached(netns: &Netns, interface: &str) {
    eventually(&format!("a tracer on both sides of {interface}"), LIMIT, || {
        if tcx_programs(netns, interface) == (1, 1) {
            return true;
        }
        let filters = Attached::to(netns, interface);
        !filters.ingress.is_empty() && !filters.egress.is_empty()
    });
}

/// Returns the IDs of all objects of one kind (`link`, `prog`, `map`) loaded in this kernel.
#[track_caller]
pub fn kernel_objects(kind: &str) -> BTreeSet<u64> {
    let mut listed = None;
    // It fails when one of the objects vanishes while it lists them: other tests have tracers, too.
    eventually(&format!("bpftool with every {kind}"), LIMIT, || {
        let output = try_output(Command::new("bpftool").args(["-j", kind, "show"])).expect("bpftool can be started");
        listed = output.status.success().then_some(output.stdout);
        listed.is_some()
    });
    let listed: Value = serde_json::from_slice(&listed.unwrap_or_default()).expect("JSON of bpftool");
    let objects = listed.as_array().expect("a list").iter();
    objects.map(|object| object["id"].as_u64().expect("an id")).collect()
}

/// Returns the IDs of all objects of one kind (`link`, `prog`, `map`) held by a process.
#[track_caller]
pub fn held_objects(process: u32, kind: &str) -> BTreeSet<u64> {
    let (descriptors, field) = (format!("/proc/{process}/fdinfo"), format!("{kind}_id:"));
    let descriptors = std::fs::read_dir(descriptors).expect("root may look at the descriptors of a running process");
    let texts = descriptors.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let ids = texts.filter_map(|text| text.lines().find_map(|line| line.strip_prefix(&field)?.trim().parse().ok()));
    ids.collect()
}

/// The runs of a program, counted by the kernel only on request (`BPF_ENABLE_STATS`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Runs {
    /// Number of runs.
    pub count: u64,
    /// Their total duration, in nanoseconds.
    pub nanoseconds: u64,
    /// Number of runs that the kernel skipped because an interrupt hit the program in the middle of itself; 0 if it does not
    /// count these.
    pub skipped: u64,
}

/// Returns the runs of a process's programs so far, by the programs' names.
#[track_caller]
pub fn program_runs(process: u32) -> BTreeMap<String, Runs> {
    let runs = programs_of(process, |field| {
        let [count, nanoseconds] = [field("run_cnt")?, field("run_time_ns")?];
        Some(Runs { count, nanoseconds, skipped: field("recursion_misses").unwrap_or(0) })
    });
    // A program that vanishes meanwhile does not belong to a process that still runs.
    let loaded = aya::programs::loaded_programs().filter_map(Result::ok);
    loaded
        .filter_map(|program| Some((program.name_as_str()?.to_owned(), *runs.get(&u64::from(program.id()))?)))
        .collect()
}

/// Returns the results of `read` for the text in `/proc/PID/fdinfo` of each program of a process, by the programs' IDs.
#[track_caller]
fn programs_of<T>(process: u32, read: impl Fn(&dyn Fn(&str) -> Option<u64>) -> Option<T>) -> BTreeMap<u64, T> {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fdinfo")).expect("root may look at a running process");
    let texts = descriptors.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    // Several descriptors of one program have the same text; that of a link contains only its program's ID.
    texts
        .filter_map(|text| {
            let field = |name: &str| {
                text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
            };
            Some((field("prog_id")?, read(&field)?))
        })
        .collect()
}
