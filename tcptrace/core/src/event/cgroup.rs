//! Control groups of sockets: the container, the Kubernetes pod and the systemd unit that their paths name.
//!
//! Paths follow conventions and no standard: systemd's (systemd.unit(5)), the kubelet's (`pkg/kubelet/cm`), and those of the
//! container runtimes. A path that follows none of them names no container.

use std::fmt::{self, Display, Formatter};

use strum::{EnumString, IntoStaticStr};

use crate::text::Escaped;

/// Identifies a control group in [`StateChange::cgroup`](super::StateChange::cgroup): the kernel's ID, or in a recording a
/// number that the decoder gives. It is never shown.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CgroupKey(pub u64);

/// A container runtime.
#[derive(Clone, Copy, Debug, EnumString, Eq, Hash, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// containerd, by its Kubernetes interface or by nerdctl.
    Containerd,
    /// CRI-O.
    #[cfg_attr(feature = "serde", serde(rename = "cri-o"))]
    #[strum(serialize = "cri-o")]
    CriO,
    /// Podman, also without root.
    Podman,
    /// LXC, and what is built on it, such as Incus.
    Lxc,
}

/// A container, as far as the path of a control group names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Container {
    /// ID of the container: 64 hexadecimal digits, or for LXC its name.
    pub id: String,
    /// Name of the container; null if unknown.
    pub name: Option<String>,
    /// The runtime; null if the path does not name it.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "known_runtime"))]
    pub runtime: Option<Runtime>,
    /// Name of the Kubernetes pod; null if unknown or not in a pod.
    pub pod: Option<String>,
    /// UID of the Kubernetes pod; null if not in a pod. For a static pod it is the hash of its manifest.
    pub pod_uid: Option<String>,
}

/// A control group.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Cgroup {
    /// The container in which the socket was made, the innermost one if there is one in another; null if the path of its
    /// control group names none.
    pub container: Option<Container>,
    /// The systemd unit in which the socket was made, the innermost one; in a container, only one of the container's own
    /// systemd. Null if the path names none. Slices do not count.
    pub unit: Option<String>,
    /// Path of the control group in which the socket was made, from the root of the unified hierarchy.
    #[cfg_attr(feature = "serde", serde(rename = "cgroup"))]
    pub path: String,
}

/// Deserializes a runtime; `None` for one that this version does not know.
#[cfg(feature = "serde")]
fn known_runtime<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Runtime>, D::Error> {
    let word: Option<std::borrow::Cow<'_, str>> = serde::Deserialize::deserialize(deserializer)?;
    Ok(word.and_then(|word| word.parse().ok()))
}

/// Digits of an ID that runtimes show.
const SHORT_ID: usize = 12;

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

impl Display for Container {
    /// Short, for people: the runtime, the name or the beginning of the ID, and the pod.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let runtime = self.runtime.map_or("container", <&str>::from);
        let id = self.id.get(..SHORT_ID).unwrap_or(&self.id);
        write!(f, "{runtime} {}", Escaped(self.name.as_deref().unwrap_or(id).as_bytes()))?;
        match self.pod.as_ref().or(self.pod_uid.as_ref()) {
            Some(pod) => write!(f, ", pod {}", Escaped(pod.as_bytes())),
            None => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const UID: &str = "7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10";
    const UNDERSCORES: &str = "7f1c4a2e_9b7d_4c55_8c5e_0f6f2f1b3a10";
    const STATIC: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

    #[test]
    fn a_container_is_told_in_short() {
        let text = |path: &str| Cgroup::of_path(path).container.map(|container| container.to_string());
        assert_eq!(text(&format!("/docker/{ID}")).as_deref(), Some("docker 0123456789ab"));
        assert_eq!(text("/lxc.payload.we\u{1b}b").as_deref(), Some("lxc we\\x1bb"));
        let in_pod = format!("/kubepods/burstable/pod{UID}/{ID}");
        assert_eq!(text(&in_pod), Some(format!("container 0123456789ab, pod {UID}")));
    }

    #[test]
    fn paths_name_containers_pods_and_units() {
        use Runtime::{Containerd, CriO, Docker, Lxc, Podman};
        // Path; ID, runtime and pod of the container; unit.
        type Expected<'a> = (Option<(&'a str, Option<Runtime>, Option<&'a str>)>, Option<&'a str>);
        let known = |runtime| Some((ID, Some(runtime), None));
        let in_pod = |runtime| Some((ID, runtime, Some(UID)));
        let kubepods = "/kubepods.slice/kubepods-burstable.slice";
        let conmon = format!("libpod-conmon-{ID}.scope");
        let table: [(String, Expected<'_>); 33] = [
            ("/".into(), (None, None)),
            (String::new(), (None, None)),
            ("/init.scope".into(), (None, Some("init.scope"))),
            ("/system.slice/nginx.service".into(), (None, Some("nginx.service"))),
            ("/system.slice/system-getty.slice/getty@tty1.service".into(), (None, Some("getty@tty1.service"))),
            ("/user.slice/user-1000.slice/session-3.scope".into(), (None, Some("session-3.scope"))),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.scope".into(),
                (None, Some("app-firefox.scope")),
            ),
            ("/system.slice/nginx.service/workers".into(), (None, Some("nginx.service"))),
            ("/system.slice".into(), (None, None)),
            ("/.service".into(), (None, None)),
            (format!("/system.slice/docker-{ID}.scope"), (known(Docker), None)),
            (format!("/docker/{ID}"), (known(Docker), None)),
            (
                format!("/system.slice/docker-{ID}.scope/system.slice/sshd.service"),
                (known(Docker), Some("sshd.service")),
            ),
            (format!("/system.slice/docker-{ID}.scope/init.scope"), (known(Docker), Some("init.scope"))),
            (format!("/system.slice/nerdctl-{ID}.scope"), (known(Containerd), None)),
            (
                format!("{kubepods}/kubepods-burstable-pod{UNDERSCORES}.slice/cri-containerd-{ID}.scope"),
                (in_pod(Some(Containerd)), None),
            ),
            (format!("/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/crio-{ID}.scope"), (in_pod(Some(CriO)), None)),
            (
                format!("/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/crio-{ID}.scope/container"),
                (in_pod(Some(CriO)), None),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/docker-{ID}.scope"),
                (in_pod(Some(Docker)), None),
            ),
            (
                format!("{kubepods}/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope"),
                (Some((ID, Some(Containerd), Some(STATIC))), None),
            ),
            (format!("/kubepods/burstable/pod{UID}/{ID}"), (in_pod(None), None)),
            (format!("/kubepods/besteffort/pod{UID}/{ID}"), (in_pod(None), None)),
            (format!("/kubepods/pod{UID}/crio-{ID}"), (in_pod(Some(CriO)), None)),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-burstable-pod{UNDERSCORES}.slice:cri-containerd:{ID}"
                ),
                (in_pod(Some(Containerd)), None),
            ),
            // A node in a container, as in kind: the innermost container counts.
            (
                format!(
                    "/system.slice/docker-{OTHER}.scope/kubelet.slice/kubelet-kubepods.slice/\
                kubelet-kubepods-pod{UNDERSCORES}.slice/cri-containerd-{ID}.scope"
                ),
                (in_pod(Some(Containerd)), None),
            ),
            // The pod's pause process, or whatever else runs beside its containers.
            (format!("/kubepods/burstable/pod{UID}"), (None, None)),
            (format!("/machine.slice/libpod-{ID}.scope/container"), (known(Podman), None)),
            (format!("/libpod_parent/libpod-{ID}"), (known(Podman), None)),
            (
                format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
                (known(Podman), None),
            ),
            (format!("/machine.slice/libpod-conmon-{ID}.scope"), (None, Some(&conmon))),
            ("/lxc.payload.web".into(), (Some(("web", Some(Lxc), None)), None)),
            ("/lxc/web/system.slice/nginx.service".into(), (Some(("web", Some(Lxc), None)), Some("nginx.service"))),
            ("/lxc.monitor.web".into(), (None, None)),
        ];
        for (path, (container, unit)) in table {
            let cgroup = Cgroup::of_path(&path);
            let found = cgroup.container.as_ref();
            let found = found.map(|found| (&*found.id, found.runtime, found.pod_uid.as_deref()));
            assert_eq!((found, cgroup.unit.as_deref()), (container, unit), "{path}");
            assert_eq!(cgroup.path, path);
        }
    }
}
