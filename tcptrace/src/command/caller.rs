//! The user as whom the command runs: the one who called sudo.

use std::{
    env,
    ffi::{CString, OsString},
    path::PathBuf,
};

use nix::unistd::{Gid, Uid, User, getgrouplist, getuid};

/// A user who called sudo.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Caller {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// All groups of the user.
    pub(super) groups: Vec<u32>,
    name: Option<OsString>,
    home: PathBuf,
    shell: Option<PathBuf>,
}

impl Caller {
    /// Returns the user who called sudo; `None` if this process does not run as root, or was not started by sudo: then the
    /// command runs as the same user as this process.
    pub(super) fn of_sudo() -> Option<Self> {
        let number = |name| env::var(name).ok()?.parse::<u32>().ok();
        let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
        getuid().is_root().then(|| Self::new(uid, gid))
    }

    fn new(uid: u32, gid: u32) -> Self {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let name = user.as_ref().and_then(|user| CString::new(user.name.as_str()).ok());
        let groups = name.and_then(|name| getgrouplist(&name, Gid::from_raw(gid)).ok());
        Self {
            uid,
            gid,
            groups: groups.map_or_else(|| vec![gid], |groups| groups.into_iter().map(Gid::as_raw).collect()),
            name: user.as_ref().map(|user| user.name.clone().into()),
            home: user.as_ref().map_or_else(|| PathBuf::from("/"), |user| user.dir.clone()),
            shell: user.map(|user| user.shell).filter(|shell| !shell.as_os_str().is_empty()),
        }
    }

    /// Returns the environment variables that differ from those that sudo left, as `sudo -u` would set them.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&'static str, Option<OsString>)> {
        let removed = ["SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "SUDO_HOME"].map(|name| (name, None));
        let set = [
            ("HOME", Some(self.home.clone().into())),
            ("USER", self.name.clone()),
            ("LOGNAME", self.name.clone()),
            ("SHELL", self.shell.clone().map(Into::into)),
        ];
        removed.into_iter().chain(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_is_known_has_a_name_and_a_home() {
        let root = Caller::new(0, 0);
        let variables: Vec<_> = root.environment().collect();
        assert!(variables.contains(&("USER", Some("root".into()))) && variables.contains(&("SUDO_UID", None)));
        assert!(root.groups.contains(&0));
    }

    #[test]
    fn a_user_who_is_not_known_has_a_group_all_the_same() {
        let nobody = Caller::new(3_999_999_999, 77);
        assert_eq!((nobody.groups.as_slice(), nobody.name.as_ref()), (&[77][..], None));
        assert!(nobody.environment().any(|variable| variable == ("HOME", Some("/".into()))));
    }
}
