//! Names with wildcards.

use std::str::FromStr;

use thiserror::Error;

use crate::event::{Comm, Container};

/// Bytes of a process's name that the kernel keeps (`TASK_COMM_LEN` of include/linux/sched.h, without its zero).
const COMM_LEN: usize = 15;

/// Minimum number of characters of a container's ID that select it.
const ID_BEGINNING: usize = 4;

/// A name in which `*` stands for any characters, and `?` for any one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob(pub(super) String);

/// A name that is empty.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("a name is missing: give names separated by commas, such as nginx,python3*")]
pub struct GlobError;

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let text = text.trim();
        if text.is_empty() { Err(GlobError) } else { Ok(Self(text.to_owned())) }
    }
}

impl Glob {
    fn matches(&self, name: &[u8]) -> bool {
        glob_matches(self.0.as_bytes(), name)
    }

    fn has_wildcards(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Returns true for the name of a process, of which the kernel keeps only the beginning.
    pub(super) fn is_comm(&self, comm: Comm) -> bool {
        let Self(text) = self;
        let beginning = text.as_bytes().get(..COMM_LEN).filter(|_| !self.has_wildcards());
        glob_matches(beginning.unwrap_or(text.as_bytes()), comm.bytes())
    }

    pub(super) fn is_unit(&self, unit: &str) -> bool {
        self.matches(unit.as_bytes()) || unit.strip_suffix(".service").is_some_and(|name| self.matches(name.as_bytes()))
    }

    pub(super) fn is_container(&self, container: &Container) -> bool {
        let Container { id, name, runtime: _, pod, pod_uid } = container;
        let Self(text) = self;
        let named = [name, pod, pod_uid].into_iter().flatten().any(|name| self.matches(name.as_bytes()));
        named || text.len() >= ID_BEGINNING && id.starts_with(text.as_str()) || self.matches(id.as_bytes())
    }
}

/// Returns true if a pattern with `*` and `?` matches all of a name. After a mismatch, the last `*` takes one more byte.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut retry = None;
    while let Some(&byte) = name.get(in_name) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, in_name));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => (at, in_name) = (at + 1, in_name + 1),
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    (at, in_name) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cgroup;

    fn glob(text: &str) -> Glob {
        text.parse().unwrap()
    }

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, name, matches) in [
            ("nginx", "nginx", true),
            ("nginx", "nginx2", false),
            ("nginx*", "nginx", true),
            ("*", "", true),
            ("?", "", false),
            ("*ab*ab", "xxabyabab", true),
            ("*ab*ab?", "xxabyabab", false),
            ("a?c", "abc", true),
            ("a*c", "abcd", false),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(pattern.as_bytes(), name.as_bytes()), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn long_names_of_processes_are_cut_as_the_kernel_cuts_them() {
        let comm = Comm(*b"prometheus-node\0");
        let is = |text: &str| glob(text).is_comm(comm);
        assert!(is("prometheus-node-exporter") && is("prometheus-*") && is("prometheus-node"));
        assert!(!is("prometheus") && !is("prometheus-node-exporter?"));
    }

    #[test]
    fn units_and_containers_have_several_names() {
        let [service, whole] = ["nginx", "nginx.service"].map(glob);
        assert!(service.is_unit("nginx.service") && whole.is_unit("nginx.service"));
        assert!(!service.is_unit("nginx.socket") && !whole.is_unit("nginx"));
        let id = "0123456789abcdef".repeat(4);
        let path = format!("/kubepods/pod7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10/crio-{id}");
        let mut container = Cgroup::of_path(&path).container.unwrap();
        (container.name, container.pod) = (Some("web".to_owned()), Some("shop".to_owned()));
        let is = |text: &str| glob(text).is_container(&container);
        assert!(is("web") && is("we*") && is("shop") && is("0123") && is("0123456789ab") && is(&id));
        assert!(is("7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10"));
        assert!(!is("012") && !is("1234") && !is("api"));
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert_eq!(" ".parse::<Glob>(), Err(GlobError));
    }
}
