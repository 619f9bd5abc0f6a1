//! Control groups of sockets: the container, the Kubernetes pod and the systemd unit that their paths name.

mod path;

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

#[cfg(test)]
mod tests;
