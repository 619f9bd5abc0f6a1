//! Checks, before anything is loaded, that the kernel is new enough and that this process has the capabilities for tracing.
//! Without them the kernel would only answer "operation not permitted".

use std::fmt::{self, Display, Formatter};

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};
use rustix::{process::geteuid, system::uname};
use thiserror::Error;

use tcptrace_core::text::Escaped;

/// The minimum supported kernel version.
pub const OLDEST_KERNEL: KernelRelease = KernelRelease { major: 5, minor: 10 };

/// The capabilities for looking at other users' processes, with their names.
pub const TO_INSPECT: [(Capability, &str); 2] =
    [(Capability::CAP_SYS_PTRACE, "CAP_SYS_PTRACE"), (Capability::CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH")];

/// A reason why tracing cannot work here.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The kernel is older than [`OLDEST_KERNEL`].
    #[error("Linux {0} is too old: tcptrace needs Linux {OLDEST_KERNEL} or newer")]
    OldKernel(KernelRelease),
    /// The kernel's release, escaped, does not begin with two numbers.
    #[error("the kernel's release '{0}' does not show its version: tcptrace needs Linux {OLDEST_KERNEL} or newer")]
    UnknownKernel(String),
    /// The process lacks these capabilities.
    #[error("tracing needs {}, which this process lacks: {}", Listed(.0), advice(*.1))]
    Capabilities(Vec<Capability>, User),
    /// The capabilities of this process are unknown.
    #[error("cannot read the capabilities of this process; run it as root (sudo tcptrace)")]
    Unreadable(#[source] CapsError),
}

/// The user that runs this process, as far as advice on capabilities depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum User {
    /// User 0. If it lacks a capability, that is a deliberate restriction.
    Root,
    /// Any other user.
    Other,
}

/// Returns advice on how to get the capabilities that tracing needs.
pub fn advice(user: User) -> &'static str {
    match user {
        User::Other => {
            "run it as root (sudo tcptrace), or grant them with `setcap cap_bpf,cap_perfmon,cap_net_admin=ep FILE`"
        }
        User::Root => "root is restricted here; in a container, grant them with --cap-add or run tcptrace on its host",
    }
}

/// Checks that the kernel and the capabilities of this thread allow tracing. `segments`: segments are to be seen, too, which
/// takes CAP_NET_ADMIN.
///
/// # Errors
/// When they do not; the message contains the reason and the remedy.
pub fn check(segments: bool) -> Result<(), PreflightError> {
    check_kernel()?;
    check_capabilities(&effective()?, segments, user())
}

/// Checks that the running kernel is new enough, and returns its version.
///
/// # Errors
/// When it is older than [`OLDEST_KERNEL`], or its release is not understood.
pub fn check_kernel() -> Result<KernelRelease, PreflightError> {
    check_release(uname().release().to_bytes())
}

/// Returns the effective capabilities of this thread.
///
/// # Errors
/// When they cannot be read.
pub fn effective() -> Result<CapsHashSet, PreflightError> {
    caps::read(None, CapSet::Effective).map_err(PreflightError::Unreadable)
}

/// Returns true if this thread may look at other users' processes.
pub fn may_inspect() -> bool {
    effective().is_ok_and(|effective| TO_INSPECT.iter().all(|(capability, _)| effective.contains(capability)))
}

/// Returns the user that runs this process.
pub fn user() -> User {
    if geteuid().is_root() { User::Root } else { User::Other }
}

fn check_release(release: &[u8]) -> Result<KernelRelease, PreflightError> {
    match KernelRelease::parse(release) {
        None => Err(PreflightError::UnknownKernel(Escaped(release).to_string())),
        Some(release) if release < OLDEST_KERNEL => Err(PreflightError::OldKernel(release)),
        Some(release) => Ok(release),
    }
}

fn check_capabilities(effective: &CapsHashSet, segments: bool, user: User) -> Result<(), PreflightError> {
    match missing(effective, segments) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(PreflightError::Capabilities(missing, user)),
    }
}

/// Returns the capabilities that tracing needs and `effective` lacks. `segments` is as for [`check`].
pub fn missing(effective: &CapsHashSet, segments: bool) -> Vec<Capability> {
    let has = |capability| effective.contains(&capability);
    let mut missing = Vec::new();
    // Linux 5.8 split both from CAP_SYS_ADMIN, which still implies them.
    for split in [Capability::CAP_BPF, Capability::CAP_PERFMON] {
        if !has(split) && !has(Capability::CAP_SYS_ADMIN) {
            missing.push(split);
        }
    }
    // Needed to load TC programs and to attach them.
    if segments && !has(Capability::CAP_NET_ADMIN) {
        missing.push(Capability::CAP_NET_ADMIN);
    }
    missing
}

/// A kernel version: the first two numbers of its release.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct KernelRelease {
    /// 6 of `6.18.44`.
    pub major: u32,
    /// 18 of `6.18.44`.
    pub minor: u32,
}

impl KernelRelease {
    /// Parses a release as `uname -r` prints it, such as `5.10.0-32-cloud-amd64`. Anything may follow the second number.
    pub fn parse(release: &[u8]) -> Option<Self> {
        let text = str::from_utf8(release.split(|&byte| byte >= 0x80).next()?).ok()?;
        let (major, rest) = text.split_once('.')?;
        let minor = rest.split(|character: char| !character.is_ascii_digit()).next()?;
        // `u32::from_str` accepts a plus sign.
        let number = |text: &str| if text.starts_with('+') { None } else { text.parse().ok() };
        Some(Self { major: number(major)?, minor: number(minor)? })
    }
}

impl Display for KernelRelease {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Writes a list: `A`, `A and B`, `A, B and C`.
struct Listed<'a>(&'a [Capability]);

impl Display for Listed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, capability) in self.0.iter().enumerate() {
            f.write_str(match index {
                0 => "",
                _ if index + 1 == self.0.len() => " and ",
                _ => ", ",
            })?;
            write!(f, "{capability}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW, CAP_PERFMON, CAP_SYS_ADMIN};

    fn lacks(effective: &[Capability], segments: bool) -> Vec<Capability> {
        missing(&effective.iter().copied().collect(), segments)
    }

    fn sentence(effective: &[Capability], user: User) -> String {
        check_capabilities(&effective.iter().copied().collect(), true, user).unwrap_err().to_string()
    }

    #[test]
    fn three_capabilities_are_needed() {
        assert_eq!(lacks(&[CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN], true), []);
        assert_eq!(lacks(&[], true), [CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN]);
        assert_eq!(lacks(&[CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW], true), [CAP_PERFMON]);
        assert_eq!(lacks(&[CAP_PERFMON], true), [CAP_BPF, CAP_NET_ADMIN]);
    }

    #[test]
    fn cap_sys_admin_stands_for_two_of_them() {
        assert_eq!(lacks(&[CAP_SYS_ADMIN, CAP_NET_ADMIN], true), []);
        assert_eq!(lacks(&[CAP_SYS_ADMIN], true), [CAP_NET_ADMIN]);
    }

    #[test]
    fn states_alone_need_no_cap_net_admin() {
        assert_eq!(lacks(&[CAP_BPF, CAP_PERFMON], false), []);
        assert_eq!(lacks(&[CAP_NET_ADMIN], false), [CAP_BPF, CAP_PERFMON]);
    }

    #[test]
    fn the_message_names_what_is_missing_and_what_to_do() {
        assert_eq!(
            sentence(&[], User::Other),
            "tracing needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, which this process lacks: run it as root \
             (sudo tcptrace), or grant them with `setcap cap_bpf,cap_perfmon,cap_net_admin=ep FILE`"
        );
        assert_eq!(
            sentence(&[CAP_NET_ADMIN], User::Root),
            "tracing needs CAP_BPF and CAP_PERFMON, which this process lacks: root is restricted here; in a container, \
             grant them with --cap-add or run tcptrace on its host"
        );
        assert!(sentence(&[CAP_SYS_ADMIN], User::Root).starts_with("tracing needs CAP_NET_ADMIN, which"));
        assert!(check_capabilities(&caps::all(), true, User::Root).is_ok());
    }

    #[test]
    fn releases_of_all_kinds_are_read() {
        for (release, major, minor) in [
            ("5.10.0-32-cloud-amd64", 5, 10),
            ("6.18.44-fc-v657", 6, 18),
            ("7.2", 7, 2),
            ("7.2-rc1", 7, 2),
            ("6.1+", 6, 1),
            ("5.15.0é", 5, 15),
        ] {
            assert_eq!(KernelRelease::parse(release.as_bytes()), Some(KernelRelease { major, minor }), "{release}");
        }
        for release in ["", "7", "7.", ".2", "v6.1", "+6.1", "6.+1", "-6.1", "linux", "99999999999.1"] {
            assert_eq!(KernelRelease::parse(release.as_bytes()), None, "{release}");
        }
        assert_eq!(KernelRelease::parse(b"6.1\xff"), Some(KernelRelease { major: 6, minor: 1 }));
    }

    #[test]
    fn kernels_before_5_10_are_refused() {
        let refused = |release: &str| check_release(release.as_bytes()).map(drop).map_err(|error| error.to_string());
        assert_eq!(refused("5.10.0"), Ok(()));
        assert_eq!(refused("6.1.0"), Ok(()));
        assert_eq!(refused("10.0.0"), Ok(()));
        let too_old = |release| Err(format!("Linux {release} is too old: tcptrace needs Linux 5.10 or newer"));
        assert_eq!(refused("5.9.16-generic"), too_old("5.9"));
        assert_eq!(refused("4.19.0"), too_old("4.19"));
        assert_eq!(
            refused("next\x1b"),
            Err(r"the kernel's release 'next\x1b' does not show its version: tcptrace needs Linux 5.10 or newer"
                .to_owned())
        );
    }

    #[test]
    fn this_kernel_has_a_release() {
        assert!(KernelRelease::parse(uname().release().to_bytes()).is_some());
    }
}
