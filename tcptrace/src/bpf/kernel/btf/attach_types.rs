//! The kernel's types that programs attach to, as the library that loads programs takes them.

use aya::{Btf, BtfError, Endianness};

use super::format::{HEADER, Kind, MAGIC, TYPE, VERSION};

/// What a program with typed arguments attaches to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::bpf) enum AttachTarget {
    /// The tracepoint of this name.
    Tracepoint(&'static str),
    /// The iterator of this name.
    Iterator(&'static str),
}

impl AttachTarget {
    /// Returns the kind of the type by which BTF describes it.
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Tracepoint(_) => Kind::TYPEDEF,
            Self::Iterator(_) => Kind::FUNC,
        }
    }

    /// Returns the name of that type: a typedef (`__DEFINE_EVENT` of include/trace/bpf_probe.h) or a function
    /// (`DEFINE_BPF_ITER_FUNC` of include/linux/bpf.h).
    pub(super) fn type_name(self) -> String {
        match self {
            Self::Tracepoint(name) => format!("btf_trace_{name}"),
            Self::Iterator(name) => format!("bpf_iter_{name}"),
        }
    }
}

/// Types that programs attach to.
#[derive(Debug)]
pub(in crate::bpf) struct AttachTypes {
    /// Types that have the same numbers as in the kernel's BTF, which is all that the library asks for. It parses them
    /// in a ninth of the time that all of the kernel's types would take, some 18 ms.
    pub(in crate::bpf) btf: Btf,
}

impl AttachTypes {
    /// Creates them for targets whose types have these numbers, from 1, in the kernel's BTF. This takes some megabytes:
    /// the kernel's own types should have been dropped before.
    pub(in crate::bpf) fn new(targets: &[(AttachTarget, u32)]) -> Result<Self, BtfError> {
        let fillers = targets.iter().map(|&(_, number)| number).max().unwrap_or(0) as usize;
        let mut types = vec![[0, Kind::FWD.info(), 0]; fillers];
        // The section begins with the empty name.
        let mut strings = vec![0];
        for &(target, number) in targets {
            if let Some(place) = (number as usize).checked_sub(1).and_then(|index| types.get_mut(index)) {
                *place = [strings.len() as u32, target.kind().info(), 0];
            }
            strings.extend(target.type_name().into_bytes());
            strings.push(0);
        }
        let types_length = fillers * TYPE;
        let mut bytes = Vec::with_capacity(HEADER + types_length + strings.len());
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([VERSION, 0]);
        let words = [HEADER, 0, types_length, types_length, strings.len()];
        bytes.extend(words.iter().flat_map(|&word| (word as u32).to_ne_bytes()));
        bytes.extend(types.into_iter().flatten().flat_map(u32::to_ne_bytes));
        bytes.extend(strings);
        Ok(Self { btf: Btf::parse(&bytes, Endianness::default())? })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::format, *};

    #[test]
    fn the_library_finds_the_same_numbers() {
        let (tracepoint, iterator) =
            (AttachTarget::Tracepoint("inet_sock_set_state"), AttachTarget::Iterator("task_file"));
        for targets in [
            vec![(tracepoint, 1)],
            vec![(tracepoint, 2), (iterator, 1)],
            vec![(iterator, 70_000), (tracepoint, 3)],
            vec![(iterator, 4)],
        ] {
            let written = AttachTypes::new(&targets).expect("these are types").btf.to_bytes();
            let read = format::Btf::parse(written).expect("this is BTF");
            for target in [tracepoint, iterator] {
                let number = targets.iter().find(|&&(other, _)| other == target).map(|&(_, number)| number);
                assert_eq!(read.number_of(target.kind(), &target.type_name()), number, "{target:?} of {targets:?}");
            }
        }
    }
}
