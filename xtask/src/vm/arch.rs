//! The processors that a virtual machine can have, and all that depends on them.

use std::path::Path;

use crate::{setup::apt::Tool, static_target::StaticTarget};

/// A processor.
pub(crate) struct Arch {
    /// Its name on the command line, which is Rust's and Linux's.
    pub(crate) name: &'static str,
    /// Its name in Debian's packages.
    pub(crate) debian: &'static str,
    /// Its emulator.
    pub(crate) emulator: Tool,
    /// The emulator's arguments for the machine and the model of its processor.
    machine: &'static [&'static str],
    /// The first serial port as the kernel names it.
    pub(crate) console: &'static str,
    /// The emulator's arguments for a second serial port, with its character device `tests`.
    second_port: &'static [&'static str],
    /// The second serial port's file.
    pub(crate) tests: &'static str,
}

/// All processors.
pub(crate) const ARCHS: [Arch; 2] = [
    Arch {
        name: "x86_64",
        debian: "amd64",
        emulator: Tool { program: "qemu-system-x86_64", package: "qemu-system-x86" },
        machine: &["-cpu", "max"],
        console: "ttyS0",
        second_port: &["-serial", "chardev:tests"],
        tests: "/dev/ttyS1",
    },
    Arch {
        name: "aarch64",
        debian: "arm64",
        emulator: Tool { program: "qemu-system-aarch64", package: "qemu-system-arm" },
        // Emulating the algorithm of real processors for authenticating pointers would take most of the time, and kernels
        // older than 5.12 do not start with addresses of 52 bits.
        machine: &["-machine", "virt", "-cpu", "max,pauth-impdef=on,lpa2=off"],
        console: "ttyAMA0",
        // The machine has one port only.
        second_port: &["-device", "pci-serial,chardev=tests"],
        tests: "/dev/ttyS0",
    },
];

impl Arch {
    /// Returns a processor by its name on the command line.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ARCHS.iter().find(|arch| arch.name == name)
    }

    /// Returns the target of programs for it.
    pub(crate) fn target(&self) -> StaticTarget {
        StaticTarget::of(format!("{}-unknown-linux-musl", self.name))
    }

    /// Returns the emulator's arguments for a machine with two serial ports, whose output goes to these files.
    pub(super) fn machine(&self, console: &Path, tests: &Path) -> Vec<String> {
        // A comma would begin the next property.
        let path = tests.display().to_string().replace(',', ",,");
        let first_port = ["-serial".to_owned(), format!("file:{}", console.display())];
        let device = ["-chardev".to_owned(), format!("file,id=tests,path={path}")];
        let arguments = |fixed: &[&str]| fixed.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>();
        [&arguments(self.machine)[..], &first_port, &device, &arguments(self.second_port)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::static_target::TARGETS;

    #[test]
    fn the_second_port_of_each_machine_has_its_file() {
        for arch in &ARCHS {
            let arguments = arch.machine(Path::new("/a,b/console"), Path::new("/a,b/tests"));
            let follows = |option: &str, value: &str| arguments.windows(2).any(|pair| pair == [option, value]);
            assert!(follows("-serial", "file:/a,b/console"), "{arguments:?}");
            assert!(follows("-chardev", "file,id=tests,path=/a,,b/tests"), "{arguments:?}");
            assert!(
                arguments
                    .iter()
                    .any(|argument| argument.ends_with("chardev:tests") || argument.ends_with("chardev=tests"))
            );
        }
    }

    #[test]
    fn programs_are_built_for_targets_of_dist() {
        assert_eq!(ARCHS.each_ref().map(|arch| arch.target().triple().to_owned()), TARGETS.map(str::to_owned));
        assert_eq!(Arch::named("aarch64").map(|arch| arch.debian), Some("arm64"));
        assert!(Arch::named("arm64").is_none());
    }
}
