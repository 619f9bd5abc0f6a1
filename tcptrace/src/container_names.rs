//! Names of containers and pods, from the files that their runtimes keep on this host. No runtime is queried, and none need
//! run.
//!
//! The files are no stable interface, but these have stayed the same for years:
//!
//! | runtime | file | contents |
//! |---|---|---|
//! | Docker | `/var/lib/docker/containers/ID/config.v2.json` | `Name` |
//! | Podman, CRI-O | `containers.json` and `volatile-containers.json` in `/var/lib/containers/storage/overlay-containers` | `names` of each container |
//! | containerd, k3s | `/run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json` | annotations of the Kubernetes interface and of nerdctl |
//! | kubelet | folders `/var/log/pods/NAMESPACE_POD_UID`, links `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log` | pod and container |
//!
//! Under Kubernetes, Docker's and CRI-O's names are `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`. If a file cannot be read or
//! is not as expected, only the ID is known.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use tcptrace_core::event::Container;

/// Maximum size of a file that is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;

/// Maximum length of a name in bytes: that of Kubernetes (RFC 1123 subdomains), which is more than the runtimes allow.
const MAX_NAME: usize = 253;

/// Digits of a container's ID.
const ID_LEN: usize = 64;

const DOCKER: &str = "var/lib/docker/containers";
const STORAGE: [&str; 2] =
    ["var/lib/containers/storage/overlay-containers", "run/containers/storage/overlay-containers"];
const CONTAINERD: [&str; 2] =
    ["run/containerd/io.containerd.runtime.v2.task", "run/k3s/containerd/io.containerd.runtime.v2.task"];
const POD_LOGS: &str = "var/log/pods";
const CONTAINER_LOGS: &str = "var/log/containers";

/// Returns the folders that are read, from the root of the file system.
pub(crate) fn folders() -> impl Iterator<Item = PathBuf> {
    let all = [DOCKER].into_iter().chain(STORAGE).chain(CONTAINERD).chain([POD_LOGS, CONTAINER_LOGS]);
    all.map(|folder| Path::new("/").join(folder))
}

/// Sets the name of a container, and of its pod if it is in one, as far as the files below `root` contain them.
pub(crate) fn complete(container: &mut Container, root: &Path) {
    // No other form of ID is part of a file's name.
    if container.id.len() != ID_LEN || !container.id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return;
    }
    let id = &container.id;
    let found = docker(id, root).or_else(|| storage(id, root)).or_else(|| containerd(id, root));
    let found = found.unwrap_or_default();
    container.name = found.name.or_else(|| container_log(&container.id, root)).and_then(bounded);
    let pod_uid = container.pod_uid.as_deref();
    container.pod = pod_uid.and_then(|uid| found.pod.or_else(|| pod_log(uid, root))).and_then(bounded);
}

/// Names of a container and its pod.
#[derive(Debug, Default, PartialEq)]
struct Found {
    name: Option<String>,
    pod: Option<String>,
}

impl Found {
    /// Splits the name that Docker or CRI-O gives to a container.
    fn of(name: &str) -> Self {
        let mut parts = name.strip_prefix("k8s_").into_iter().flat_map(|name| name.split('_'));
        match (parts.next(), parts.next(), parts.next()) {
            (Some(container), Some(pod), Some(_)) => {
                Self { name: Some(container.to_owned()), pod: Some(pod.to_owned()) }
            }
            _ => Self { name: Some(name.to_owned()), pod: None },
        }
    }
}

fn docker(id: &str, root: &Path) -> Option<Found> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "Name")]
        name: String,
    }
    let Config { name } = json(&root.join(DOCKER).join(id).join("config.v2.json"))?;
    Some(Found::of(name.trim_start_matches('/')))
}

fn storage(id: &str, root: &Path) -> Option<Found> {
    #[derive(Deserialize)]
    struct Stored {
        id: String,
        #[serde(default)]
        names: Vec<String>,
    }
    let folders = STORAGE.into_iter().map(|folder| root.join(folder));
    let mut files =
        folders.flat_map(|folder| ["containers.json", "volatile-containers.json"].map(|file| folder.join(file)));
    files.find_map(|file| {
        let all: Vec<Stored> = json(&file)?;
        let stored = all.into_iter().find(|stored| stored.id == id)?;
        stored.names.first().map(|name| Found::of(name))
    })
}

fn containerd(id: &str, root: &Path) -> Option<Found> {
    #[derive(Deserialize)]
    struct Spec {
        #[serde(default)]
        annotations: HashMap<String, String>,
    }
    let mut specs = CONTAINERD.into_iter().flat_map(|folder| {
        let folder = root.join(folder);
        names_in(&folder).into_iter().map(move |namespace| folder.join(namespace).join(id).join("config.json"))
    });
    let Spec { mut annotations } = specs.find_map(|file| json(&file))?;
    let mut first = |keys: [&str; 2]| keys.into_iter().find_map(|key| annotations.remove(key));
    Some(Found {
        name: first(["io.kubernetes.cri.container-name", "nerdctl/name"]),
        pod: first(["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
    })
}

/// Finds the name of a pod among the kubelet's folders of logs.
fn pod_log(uid: &str, root: &Path) -> Option<String> {
    names_in(&root.join(POD_LOGS)).iter().find_map(|folder| {
        let mut parts = folder.rsplitn(2, '_');
        let (own, rest) = (parts.next()?, parts.next()?);
        let (_namespace, pod) = rest.split_once('_')?;
        (own == uid).then(|| pod.to_owned())
    })
}

/// Finds the name of a container among the kubelet's links to logs.
fn container_log(id: &str, root: &Path) -> Option<String> {
    names_in(&root.join(CONTAINER_LOGS)).iter().find_map(|link| {
        let name = link.strip_suffix(".log")?.strip_suffix(id)?.strip_suffix('-')?;
        name.rsplit('_').next().map(str::to_owned)
    })
}

/// Returns the names in a folder; none if it cannot be read.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn bounded(name: String) -> Option<String> {
    (1..=MAX_NAME).contains(&name.len()).then_some(name)
}

/// Reads a regular JSON file; `None` if it is missing, too large, or of another form.
fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let read = || -> io::Result<Vec<u8>> {
        // Non-blocking, so that a FIFO does not make it wait.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > MAX_SIZE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        file.take(MAX_SIZE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    serde_json::from_slice(&read().ok()?).ok()
}

#[cfg(test)]
mod tests;
