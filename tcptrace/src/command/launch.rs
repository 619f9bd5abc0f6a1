//! The process between the tracer and the command: this program executed again, which becomes the user and then the command.
//!
//! A separate process does that, because the rights that it gives up cannot be regained, and because a process with threads
//! must not allocate memory between fork() and exec().

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use tcptrace_core::text::Escaped;

use super::caller::Caller;
use crate::say::say;

/// The name by which this program is executed to become the command.
const NAME: &str = "tcptrace-launch";

/// Stands for an absent value in an argument.
const NOTHING: &str = "-";

/// Exit statuses of a command that cannot be run, as in shells.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Returns the command line that becomes `command`, in the control group at this path, as this user.
pub(super) fn command(command: &[OsString], group: Option<&Path>, caller: Option<&Caller>) -> Command {
    let mut launch = Command::new("/proc/self/exe");
    launch.arg0(NAME).arg(group.map_or(OsStr::new(NOTHING), Path::as_os_str));
    match caller {
        Some(caller) => {
            let groups: Vec<String> = caller.groups.iter().map(u32::to_string).collect();
            launch.args([caller.uid.to_string(), caller.gid.to_string(), groups.join(",")]);
            for (name, value) in caller.environment() {
                match value {
                    Some(value) => launch.env(name, value),
                    None => launch.env_remove(name),
                };
            }
        }
        None => drop(launch.args([NOTHING; 3])),
    }
    launch.args(command);
    launch
}

/// Becomes the command if this program was executed for that. If that fails, reports it on stderr and returns the exit
/// status; `None` if it was executed for anything else.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os();
    if arguments.next()? != NAME {
        return None;
    }
    let [group, uid, gid, groups] = std::array::from_fn(|_| arguments.next().unwrap_or_default());
    let Some(program) = arguments.next() else { return Some(ExitCode::from(CANNOT_RUN)) };
    let name = Escaped(program.as_encoded_bytes()).to_string();
    let error = match prepare(&group, &uid, &gid, &groups) {
        Ok(()) => Command::new(&program).args(arguments).exec(),
        Err(error) => {
            say(format_args!("tcptrace: cannot run {name} as the user who called sudo: {error}"));
            return Some(ExitCode::from(CANNOT_RUN));
        }
    };
    say(format_args!("tcptrace: cannot run {name}: {error}"));
    Some(ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }))
}

/// Enters the control group and becomes the user.
fn prepare(group: &OsStr, uid: &OsStr, gid: &OsStr, groups: &OsStr) -> io::Result<()> {
    if group != NOTHING {
        std::fs::write(Path::new(group).join("cgroup.procs"), "0")?;
    }
    let number = |text: &str| text.parse::<u32>().map_err(io::Error::other);
    let text = |argument: &OsStr| argument.to_str().map(str::to_owned).ok_or(io::ErrorKind::InvalidInput);
    if uid != NOTHING {
        let groups = text(groups)?;
        let groups: Vec<Gid> = groups.split(',').map(|id| number(id).map(Gid::from_raw)).collect::<Result<_, _>>()?;
        setgroups(&groups)?;
        setgid(Gid::from_raw(number(&text(gid)?)?))?;
        setuid(Uid::from_raw(number(&text(uid)?)?))?;
    }
    Ok(())
}
