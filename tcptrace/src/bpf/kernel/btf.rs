//! What the running kernel's BTF tells: where the members of its structures lie, the numbers of its enumerators, and the
//! arguments of its tracepoints.

use btf_rs::{Backend, Btf, BtfType, EnumMember, Member, Struct, Type};
use tcptrace_ebpf::{ABSENT, HintLayout, KernelValue, Place, SocketLayout};

/// Where the kernel describes its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why something could not be found.
#[derive(Debug, thiserror::Error)]
pub(in crate::bpf) enum BtfError {
    #[error("{VMLINUX}, which describes the kernel's types, cannot be read")]
    Unreadable(#[source] std::io::Error),
    #[error("{VMLINUX} is no BTF that can be understood")]
    Unknown(#[source] btf_rs::Error),
    #[error("the kernel's BTF has no struct {0}")]
    NoStruct(&'static str),
    #[error("the kernel's BTF has no member {1} in struct {0}")]
    NoMember(&'static str, &'static str),
    #[error("the kernel's BTF has no enumerator {1} in enum {0}")]
    NoEnumerator(&'static str, &'static str),
    #[error("the member {member} lies at byte {offset} of struct {structure}, where it cannot be read")]
    Misplaced { structure: &'static str, member: &'static str, offset: u32 },
    #[error("the kernel's BTF has no tracepoint {0}")]
    NoTracepoint(&'static str),
    #[error("the tracepoint {0} has other arguments than expected")]
    Arguments(&'static str),
}

/// The running kernel's types.
pub(in crate::bpf) struct KernelTypes(Btf);

impl KernelTypes {
    /// Reads them.
    pub(in crate::bpf) fn read() -> Result<Self, BtfError> {
        // Kernels from 6.16 on let the file be mapped: then only what is looked for is read. On others it is read at once,
        // since the library would do that in tens of thousands of small reads.
        match Btf::from_file_with_backend(VMLINUX, Backend::Mmap) {
            Ok(btf) => Ok(Self(btf)),
            Err(_) => {
                let bytes = std::fs::read(VMLINUX).map_err(BtfError::Unreadable)?;
                Btf::from_bytes(&bytes).map(Self).map_err(BtfError::Unknown)
            }
        }
    }

    /// Where the members of a socket lie.
    pub(in crate::bpf) fn socket_layout(&self) -> Result<SocketLayout, BtfError> {
        SocketLayout::resolve(|value| self.value(value))
    }

    /// What the programs of hints read besides.
    pub(in crate::bpf) fn hint_layout(&self) -> Result<HintLayout, BtfError> {
        HintLayout::resolve(|value| self.value(value))
    }

    /// What a field of a layout is in this kernel.
    fn value(&self, value: &KernelValue) -> Result<u32, BtfError> {
        let found = self.place(value.place).or_else(|missing| match value.alternative {
            Some(place) => self.place(place).map_err(|_| missing),
            None => Err(missing),
        });
        let number = match found {
            Err(_) if value.optional => return Ok(ABSENT),
            found => found?,
        };
        // The programs read these members from a copy of the first bytes.
        match (value.head, value.place) {
            (Some(head), Place::Member(structure, member)) if !head.fits(number) => {
                Err(BtfError::Misplaced { structure, member, offset: number })
            }
            _ => Ok(number),
        }
    }

    fn place(&self, place: Place) -> Result<u32, BtfError> {
        match place {
            Place::Member(structure, member) => self.offset(structure, member),
            Place::Nested([outer, inner]) => Ok(self.offset(outer.0, outer.1)? + self.offset(inner.0, inner.1)?),
            Place::Enumerator(name, wanted) => self.enumerator(name, wanted),
        }
    }

    /// The types of a tracepoint's arguments, by their names without qualifiers and with pointers looked through.
    pub(in crate::bpf) fn arguments(&self, tracepoint: &'static str) -> Result<Vec<String>, BtfError> {
        let Self(btf) = self;
        let prototype = |found| {
            let Type::Typedef(found) = found else { return None };
            let Type::Ptr(pointer) = btf.resolve_chained_type(&found).ok()? else { return None };
            let Type::FuncProto(prototype) = btf.resolve_chained_type(&pointer).ok()? else { return None };
            Some(prototype)
        };
        let found = btf.resolve_types_by_name(&format!("btf_trace_{tracepoint}")).unwrap_or_default();
        let prototype = found.into_iter().find_map(prototype).ok_or(BtfError::NoTracepoint(tracepoint))?;
        // The first is the kernel's own, for whom it calls.
        Ok(prototype.parameters.iter().skip(1).map(|parameter| self.name_behind(parameter)).collect())
    }

    /// Enumerators by their names, none where there is no such enumeration.
    pub(in crate::bpf) fn enumerators(&self, name: &str) -> Vec<(String, u32)> {
        let Self(btf) = self;
        let found = btf.resolve_types_by_name(name).unwrap_or_default().into_iter();
        let members = found.filter_map(|found| if let Type::Enum(found) = found { Some(found.members) } else { None });
        let named = |member: EnumMember| Some((btf.resolve_name(&member).ok()?, member.val()));
        members.flatten().filter_map(named).collect()
    }

    /// The name of the type behind pointers and qualifiers; empty where it has none.
    fn name_behind(&self, typed: &dyn BtfType) -> String {
        let Self(btf) = self;
        let mut chain = btf.chained_type_iter(typed);
        let named = chain.find(|found| !matches!(found, Type::Ptr(_) | Type::Const(_) | Type::TypeTag(_)));
        let name = named.and_then(|named| btf.resolve_name(named.as_btf_type()?).ok());
        name.unwrap_or_default()
    }

    /// The offset in bytes of a member that has to exist.
    fn offset(&self, structure: &'static str, member: &'static str) -> Result<u32, BtfError> {
        let Self(btf) = self;
        let found = btf
            .resolve_types_by_name(structure)
            .unwrap_or_default()
            .into_iter()
            .find_map(|found| if let Type::Struct(found) = found { Some(found) } else { None })
            .ok_or(BtfError::NoStruct(structure))?;
        offset_in(btf, &found, member).map(|bits| bits / 8).ok_or(BtfError::NoMember(structure, member))
    }

    /// The value of an enumerator that has to exist.
    fn enumerator(&self, name: &'static str, wanted: &'static str) -> Result<u32, BtfError> {
        let mut all = self.enumerators(name).into_iter();
        all.find_map(|(name, value)| (name == wanted).then_some(value)).ok_or(BtfError::NoEnumerator(name, wanted))
    }
}

/// The offset in bits of a member, looked for in anonymous members too.
fn offset_in(btf: &Btf, structure: &Struct, wanted: &str) -> Option<u32> {
    structure.members.iter().find_map(|member| {
        let inner = match btf.resolve_name(member) {
            Ok(name) if name == wanted => Some(0),
            Ok(name) if name.is_empty() => anonymous(btf, member, wanted),
            _ => None,
        };
        Some(member.bit_offset() + inner?)
    })
}

fn anonymous(btf: &Btf, member: &Member, wanted: &str) -> Option<u32> {
    let mut found = btf.resolve_chained_type(member).ok()?;
    loop {
        found = match &found {
            Type::Struct(inner) | Type::Union(inner) => return offset_in(btf, inner, wanted),
            Type::Const(other) => btf.resolve_chained_type(other).ok()?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_btf_is_an_error() {
        assert!(Btf::from_bytes(b"no BTF at all").is_err());
    }
}
