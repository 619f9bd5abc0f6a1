//! What the path of a control group names.
//!
//! Paths follow conventions and no standard: systemd's (systemd.unit(5)), the kubelet's (`pkg/kubelet/cm`), and those of the
//! container runtimes. A path that follows none of them names no container.

use super::{Cgroup, Container, Runtime};

/// Suffixes of the systemd units that have processes.
const UNITS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

impl Cgroup {
    /// Derives the container and the unit from the path of a control group.
    pub fn of_path(path: &str) -> Self {
        let (mut container, mut unit, mut pod_uid, mut parent) = (None, None, None, "");
        for component in path.split('/').filter(|component| !component.is_empty()) {
            if let Some(uid) = pod_uid_in(component, parent) {
                pod_uid = Some(uid);
            }
            if let Some((runtime, id)) = container_in(component, parent, pod_uid.is_some()) {
                container = Some(Container {
                    id: id.to_owned(),
                    name: (runtime == Some(Runtime::Lxc)).then(|| id.to_owned()),
                    runtime,
                    pod: None,
                    pod_uid: pod_uid.clone(),
                });
                // Units above the container are not the container's.
                unit = None;
            } else if UNITS.iter().any(|suffix| component.len() > suffix.len() && component.ends_with(suffix)) {
                unit = Some(component.to_owned());
            }
            parent = component;
        }
        Self { path: path.to_owned(), container, unit }
    }
}

/// Returns the UID of the pod that a component stands for: `kubepods-burstable-podUID.slice`, with underscores, where the
/// kubelet asks systemd, and else `podUID` in a folder of quality of service.
fn pod_uid_in(component: &str, parent: &str) -> Option<String> {
    let slice = component.split_once(':').map_or(component, |(slice, _)| slice);
    let uid = match slice.strip_suffix(".slice") {
        Some(slice) if slice.contains("kubepods") => slice.rsplit_once("-pod")?.1.replace('_', "-"),
        Some(_) => return None,
        None if matches!(parent, "kubepods" | "burstable" | "besteffort") => slice.strip_prefix("pod")?.to_owned(),
        None => return None,
    };
    is_pod_uid(&uid).then_some(uid)
}

/// Returns true for a UUID (RFC 9562 §4), and for the 32 hexadecimal digits of a static pod.
fn is_pod_uid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    is_hex(text, 32)
        || text.split('-').count() == groups.len()
            && text.split('-').zip(groups).all(|(group, digits)| is_hex(group, digits))
}

/// Returns the runtime and the ID of the container that a component stands for.
fn container_in<'a>(component: &'a str, parent: &str, in_pod: bool) -> Option<(Option<Runtime>, &'a str)> {
    // containerd without systemd's driver, below a kubelet with it: `SLICE:cri-containerd:ID`.
    if let Some((_, rest)) = component.split_once(".slice:")
        && let Some((prefix, id)) = rest.split_once(':')
    {
        return is_hex(id, 64).then(|| (runtime_of(prefix), id));
    }
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return (!name.is_empty()).then_some((Some(Runtime::Lxc), name));
    }
    if matches!(parent, "lxc" | "lxc.payload") {
        return Some((Some(Runtime::Lxc), component));
    }
    let name = component.strip_suffix(".scope").unwrap_or(component);
    if let Some((prefix, id)) = name.rsplit_once('-')
        && is_hex(id, 64)
    {
        // Prefix of conmon, the process beside the container.
        return (!prefix.ends_with("-conmon")).then(|| (runtime_of(prefix), id));
    }
    if !is_hex(component, 64) {
        return None;
    }
    match parent {
        "docker" => Some((Some(Runtime::Docker), component)),
        // The path does not name the runtime that the kubelet uses.
        _ if in_pod => Some((None, component)),
        _ => Some((runtime_of(parent), component)),
    }
}

fn runtime_of(prefix: &str) -> Option<Runtime> {
    match prefix {
        "docker" => Some(Runtime::Docker),
        "cri-containerd" | "nerdctl" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::CriO),
        "libpod" => Some(Runtime::Podman),
        _ => None,
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
