//! The type of a tracepoint, as the library that loads programs takes it.

use aya::{Btf, BtfError, Endianness};

use super::format::{HEADER, Kind, MAGIC, TYPE, VERSION};

/// Offset of the typedef's name in the string section, which begins with the empty name.
const NAME: u32 = 1;

/// The type of a tracepoint.
#[derive(Debug)]
pub(in crate::bpf) struct TracepointType {
    /// Name of the tracepoint.
    pub(in crate::bpf) name: &'static str,
    /// Types in which the tracepoint's has the same number as in the kernel's BTF. The library asks them for nothing else, and
    /// parses these in a ninth of the time that all the kernel's types take it, some 18 ms.
    pub(in crate::bpf) btf: Btf,
}

impl TracepointType {
    /// For a tracepoint whose typedef has this number, from 1, in the kernel's BTF. It takes some megabytes: the kernel's own
    /// types should have been dropped by then.
    pub(in crate::bpf) fn new(name: &'static str, number: u32) -> Result<Self, BtfError> {
        let strings = [b"\0", typedef(name).as_bytes(), b"\0"].concat();
        let fillers = number.saturating_sub(1) as usize;
        let types_length = (fillers + 1) * TYPE;
        let mut bytes = Vec::with_capacity(HEADER + types_length + strings.len());
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([VERSION, 0]);
        let words = [HEADER, 0, types_length, types_length, strings.len()];
        bytes.extend(words.iter().flat_map(|&word| (word as u32).to_ne_bytes()));
        let types = std::iter::repeat_n([0, Kind::FWD.info(), 0], fillers).chain([[NAME, Kind::TYPEDEF.info(), 0]]);
        bytes.extend(types.flatten().flat_map(u32::to_ne_bytes));
        bytes.extend(strings);
        Ok(Self { name, btf: Btf::parse(&bytes, Endianness::default())? })
    }
}

/// Name of the typedef by which BTF describes a tracepoint (`__DEFINE_EVENT` of include/trace/bpf_probe.h).
pub(super) fn typedef(tracepoint: &str) -> String {
    format!("btf_trace_{tracepoint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_finds_the_same_number() {
        for number in [1, 2, 70_000] {
            let tracepoint = TracepointType::new("inet_sock_set_state", number).expect("these are types");
            let written = tracepoint.btf.to_bytes();
            assert_eq!(
                super::super::format::Btf::parse(written)
                    .map(|btf| btf.number_of(Kind::TYPEDEF, "btf_trace_inet_sock_set_state")),
                Ok(Some(number))
            );
        }
    }
}
