//! The capability sets of a thread.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// Drops all capabilities of the calling thread except those of `needed` that it has.
pub(super) fn keep(needed: &[Capability]) -> Result<(), CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    if permitted.is_empty() {
        return Ok(());
    }
    let kept = kept(needed, &permitted);
    // Clearing the bounding set takes CAP_SETPCAP. Without it the set stays: it limits what an executed program can gain,
    // and with no_new_privs that is nothing anyway.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    // The effective set must be a subset of the permitted set at all times.
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// Calls `act` while no capability of the calling thread is effective.
pub(super) fn without<R>(act: impl FnOnce() -> R) -> Result<R, CapsError> {
    let effective = caps::read(None, CapSet::Effective)?;
    caps::clear(None, CapSet::Effective)?;
    let done = act();
    caps::set(None, CapSet::Effective, &effective)?;
    Ok(done)
}

fn kept(needed: &[Capability], permitted: &CapsHashSet) -> CapsHashSet {
    let stand_in = |capability| match capability {
        // Linux 5.8 split CAP_BPF from CAP_SYS_ADMIN, which still implies it.
        Capability::CAP_BPF if !permitted.contains(&Capability::CAP_BPF) => Capability::CAP_SYS_ADMIN,
        capability => capability,
    };
    needed.iter().copied().map(stand_in).filter(|capability| permitted.contains(capability)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Capability::{CAP_BPF, CAP_CHOWN, CAP_NET_ADMIN, CAP_SYS_ADMIN};

    fn set(capabilities: &[Capability]) -> CapsHashSet {
        capabilities.iter().copied().collect()
    }

    #[test]
    fn only_what_is_needed_and_there_is_kept() {
        let of = |permitted: &[Capability]| kept(&[CAP_BPF, CAP_NET_ADMIN], &set(permitted));
        assert_eq!(of(&[CAP_CHOWN, CAP_BPF, CAP_SYS_ADMIN, CAP_NET_ADMIN]), set(&[CAP_BPF, CAP_NET_ADMIN]));
        assert_eq!(of(&[CAP_CHOWN, CAP_SYS_ADMIN]), set(&[CAP_SYS_ADMIN]));
        assert_eq!(of(&[CAP_CHOWN]), set(&[]));
    }

    #[test]
    fn capabilities_are_ineffective_meanwhile_and_effective_again_afterwards() {
        let effective = || caps::read(None, CapSet::Effective).expect("a thread knows its own");
        let before = effective();
        assert_eq!(without(effective).expect("capabilities can be changed"), set(&[]));
        assert_eq!(effective(), before);
    }

    #[test]
    fn a_thread_that_keeps_nothing_has_nothing_and_others_are_as_before() {
        let before = caps::read(None, CapSet::Permitted).expect("a thread knows its own");
        let left = std::thread::spawn(|| {
            keep(&[]).expect("capabilities can be dropped");
            // The second time there is nothing to do.
            keep(&[CAP_BPF]).expect("capabilities can be dropped");
            [CapSet::Permitted, CapSet::Effective, CapSet::Inheritable, CapSet::Ambient]
                .map(|set| caps::read(None, set).expect("a thread knows its own"))
        });
        assert_eq!(left.join().expect("it ends"), [(); 4].map(|()| CapsHashSet::new()));
        assert_eq!(caps::read(None, CapSet::Permitted).expect("a thread knows its own"), before);
    }
}
