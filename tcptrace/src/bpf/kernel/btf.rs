//! The running kernel's BTF: the offsets of members of its structures, the values of its enumerators, and the arguments
//! of its tracepoints.

mod attach_types;
mod format;
mod vmlinux;

pub(in crate::bpf) use self::attach_types::{AttachTarget, AttachTypes};

use self::{
    format::{Btf, FormatError, Kind, Type},
    vmlinux::{VMLINUX, Vmlinux},
};
use tcptrace_ebpf::{ABSENT, DropLayout, HintLayout, HolderLayout, KernelValue, Place, SocketLayout};

/// A failure to find something in the kernel's types.
#[derive(Debug, thiserror::Error)]
pub(in crate::bpf) enum BtfError {
    #[error("{VMLINUX}, which describes the kernel's types, cannot be read")]
    Unreadable(#[source] std::io::Error),
    #[error("{VMLINUX} is not BTF that this build understands")]
    Unknown(#[source] FormatError),
    #[error("the kernel's BTF has no struct {0}")]
    NoStruct(&'static str),
    #[error("the kernel's BTF has no member {1} in struct {0}")]
    NoMember(&'static str, &'static str),
    #[error("the kernel's BTF has no enumerator {1} in enum {0}")]
    NoEnumerator(&'static str, &'static str),
    #[error("the member {member} is at byte {offset} of struct {structure}, where it cannot be read")]
    Misplaced { structure: &'static str, member: &'static str, offset: u32 },
    #[error("the kernel's BTF has no tracepoint {0}")]
    NoTracepoint(&'static str),
    #[error("the kernel's BTF has no iterator {0}")]
    NoIterator(&'static str),
    #[error("the tracepoint {0} has other arguments than expected")]
    Arguments(&'static str),
}

/// The running kernel's types.
pub(in crate::bpf) struct KernelTypes(Btf<Vmlinux>);

impl KernelTypes {
    /// Reads the types of the running kernel.
    pub(in crate::bpf) fn read() -> Result<Self, BtfError> {
        let file = Vmlinux::open().map_err(BtfError::Unreadable)?;
        Btf::parse(file).map(Self).map_err(BtfError::Unknown)
    }

    /// Returns the offsets of the members of a socket.
    pub(in crate::bpf) fn socket_layout(&self) -> Result<SocketLayout, BtfError> {
        SocketLayout::resolve(|value| self.value(value))
    }

    /// Returns the further offsets that the programs of hints need.
    pub(in crate::bpf) fn hint_layout(&self) -> Result<HintLayout, BtfError> {
        HintLayout::resolve(|value| self.value(value))
    }

    /// Returns the further offsets that the program of dropped segments needs.
    pub(in crate::bpf) fn drop_layout(&self) -> Result<DropLayout, BtfError> {
        DropLayout::resolve(|value| self.value(value))
    }

    /// Returns the further offsets that the iterator of sockets that processes hold needs.
    pub(in crate::bpf) fn holder_layout(&self) -> Result<HolderLayout, BtfError> {
        HolderLayout::resolve(|value| self.value(value))
    }

    /// Returns the value of a layout's field in this kernel.
    fn value(&self, value: &KernelValue) -> Result<u32, BtfError> {
        let found = self.place(value.place).or_else(|missing| match value.alternative {
            Some(place) => self.place(place).map_err(|_| missing),
            None => Err(missing),
        });
        let number = match found {
            Err(_) if value.optional => return Ok(ABSENT),
            found => found?,
        };
        // The programs read these members from a copy of the structure's first bytes.
        match (value.head, value.place) {
            (Some(head), Place::Member(structure, member)) if !head.fits(number) => {
                Err(BtfError::Misplaced { structure, member, offset: number })
            }
            _ => Ok(number),
        }
    }

    fn place(&self, place: Place) -> Result<u32, BtfError> {
        match place {
            Place::Member(structure, member) => self.bits(structure, member).map(|bits| bits / 8),
            Place::Bit(structure, member) => self.bits(structure, member),
            Place::Nested([outer, inner]) => Ok(self.bits(outer.0, outer.1)? / 8 + self.bits(inner.0, inner.1)? / 8),
            Place::Inner(structure, member, inner) => self.inner_bits(structure, member, inner).map(|bits| bits / 8),
            Place::Enumerator(name, wanted) => self.enumerator(name, wanted),
        }
    }

    /// Returns the number of the type that programs with typed arguments attach to; an error if the kernel is known to
    /// refuse those of this build.
    pub(in crate::bpf) fn attach_type(&self, target: AttachTarget) -> Result<u32, BtfError> {
        let Self(btf) = self;
        // For each, the newest helper that it calls; both came with 5.11.
        let (helper, missing) = match target {
            AttachTarget::Tracepoint(name) => ("BPF_FUNC_get_current_task_btf", BtfError::NoTracepoint(name)),
            AttachTarget::Iterator(name) => ("BPF_FUNC_sock_from_file", BtfError::NoIterator(name)),
        };
        self.enumerator("bpf_func_id", helper)?;
        btf.number_of(target.kind(), &target.type_name()).ok_or(missing)
    }

    /// Returns the names of the types of a tracepoint's arguments, without qualifiers and pointers.
    pub(in crate::bpf) fn arguments(&self, tracepoint: &'static str) -> Result<Vec<String>, BtfError> {
        let Self(btf) = self;
        let prototype = |typedef: Type| {
            let pointer = btf.target(typedef).filter(|found| found.kind == Kind::PTR)?;
            btf.target(pointer).filter(|found| found.kind == Kind::FUNC_PROTO)
        };
        let target = AttachTarget::Tracepoint(tracepoint);
        let name = target.type_name();
        let mut typedefs = btf.find(target.kind(), &name).filter_map(prototype);
        let prototype = typedefs.next().ok_or(BtfError::NoTracepoint(tracepoint))?;
        // The first parameter is the kernel's own data pointer.
        Ok(btf.members(prototype).skip(1).map(|parameter| self.name_behind(parameter.value)).collect())
    }

    /// Returns the names and values of an enumeration's enumerators; empty if there is no such enumeration.
    pub(in crate::bpf) fn enumerators(&self, name: &str) -> Vec<(String, u32)> {
        let Self(btf) = self;
        let members = btf.find(Kind::ENUM, name).flat_map(|found| btf.members(found));
        members.map(|member| (member.name.to_owned(), member.value)).collect()
    }

    /// Returns the name of the type behind pointers and qualifiers; empty if it has none.
    fn name_behind(&self, number: u32) -> String {
        let Self(btf) = self;
        let named = btf.behind(btf.by_number(number), &[Kind::PTR, Kind::CONST, Kind::TYPE_TAG]);
        named.map(|named| btf.name(named).to_owned()).unwrap_or_default()
    }

    /// Returns the offset in bits of a member that must exist.
    fn bits(&self, structure: &'static str, member: &'static str) -> Result<u32, BtfError> {
        let Self(btf) = self;
        let found = btf.find(Kind::STRUCT, structure).next().ok_or(BtfError::NoStruct(structure))?;
        offset_in(btf, found, member, DEEPEST).ok_or(BtfError::NoMember(structure, member))
    }

    /// Returns the offset in bits of a member of a nested structure, which may be unnamed and cannot be looked up by
    /// its name.
    fn inner_bits(&self, structure: &'static str, member: &'static str, inner: &'static str) -> Result<u32, BtfError> {
        let Self(btf) = self;
        let found = btf.find(Kind::STRUCT, structure).next().ok_or(BtfError::NoStruct(structure))?;
        let outer = btf.members(found).find(|outer| outer.name == member);
        let outer = outer.ok_or(BtfError::NoMember(structure, member))?;
        let nameless = btf.behind(btf.by_number(outer.value), &[Kind::CONST]);
        let offset = nameless.and_then(|nameless| offset_in(btf, nameless, inner, DEEPEST));
        offset.and_then(|offset| outer.bits.checked_add(offset)).ok_or(BtfError::NoMember(structure, inner))
    }

    /// Returns the value of an enumerator that must exist.
    fn enumerator(&self, name: &'static str, wanted: &'static str) -> Result<u32, BtfError> {
        let mut all = self.enumerators(name).into_iter();
        all.find_map(|(name, value)| (name == wanted).then_some(value)).ok_or(BtfError::NoEnumerator(name, wanted))
    }
}

/// Maximum nesting of anonymous members.
const DEEPEST: u8 = 16;

/// Returns the offset in bits of a member, which may be in an anonymous member.
fn offset_in<B: AsRef<[u8]>>(btf: &Btf<B>, structure: Type, wanted: &str, depth: u8) -> Option<u32> {
    btf.members(structure).find_map(|member| {
        let inner = match member.name {
            name if name == wanted => 0,
            "" => {
                let inner = btf.behind(btf.by_number(member.value), &[Kind::CONST])?;
                let is_structure = matches!(inner.kind, Kind::STRUCT | Kind::UNION);
                is_structure.then(|| offset_in(btf, inner, wanted, depth.checked_sub(1)?))??
            }
            _ => return None,
        };
        member.bits.checked_add(inner)
    })
}
