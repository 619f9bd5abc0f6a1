//! BTF as the kernel's documentation describes it (Documentation/bpf/btf.rst, include/uapi/linux/btf.h): a sequence of
//! types, numbered from 1, and the strings that name them.

#[cfg(test)]
mod tests;

/// The first two bytes, in the byte order of the host that made it.
pub(super) const MAGIC: u16 = 0xeb9f;

/// The version of the format.
pub(super) const VERSION: u8 = 1;

/// Size in bytes of version 1's header; a longer one states its size.
pub(super) const HEADER: usize = 24;

/// Size in bytes of a type without its members.
pub(super) const TYPE: usize = 12;

/// Size in bytes of a type in a kernel's BTF on the average, with its members.
const USUAL_SIZE: usize = 22;

/// Maximum number of qualifiers, pointers and typedefs in a chain: those in valid BTF are shorter and end.
const LONGEST_CHAIN: usize = 64;

/// A fault in bytes that should be BTF.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::bpf) enum FormatError {
    /// The magic number or the version is wrong.
    #[error("it does not begin like BTF")]
    Header,
    /// A section or a type reaches beyond the end.
    #[error("it is shorter than it says")]
    Truncated,
    /// A type of an unknown kind, after which the next type cannot be found.
    #[error("it has types of the unknown kind {0}")]
    Kind(u8),
}

/// The kinds of types that matter here, by their numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const PTR: Self = Self(2);
    pub(super) const STRUCT: Self = Self(4);
    pub(super) const UNION: Self = Self(5);
    pub(super) const ENUM: Self = Self(6);
    pub(super) const FWD: Self = Self(7);
    pub(super) const TYPEDEF: Self = Self(8);
    pub(super) const CONST: Self = Self(10);
    pub(super) const FUNC: Self = Self(12);
    pub(super) const FUNC_PROTO: Self = Self(13);
    pub(super) const TYPE_TAG: Self = Self(18);

    /// Number of values that the bits of a kind have room for.
    const COUNT: usize = 32;

    /// Returns the kind that an `info` word states.
    const fn of(info: u32) -> Self {
        Self((info >> 24) as u8 & 0x1f)
    }

    /// Returns the `info` word of a type of this kind without members.
    pub(super) const fn info(self) -> u32 {
        (self.0 as u32) << 24
    }

    /// Returns the number of bytes that follow a type of this kind with this many members; `None` for an unknown kind.
    fn trailer(self, members: usize) -> Option<usize> {
        Some(match self.0 {
            // INT, VAR, DECL_TAG
            1 | 14 | 17 => 4,
            // ARRAY
            3 => 12,
            // STRUCT, UNION, DATASEC, ENUM64
            4 | 5 | 15 | 19 => 12 * members,
            // ENUM, FUNC_PROTO
            6 | 13 => 8 * members,
            // PTR, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FLOAT, TYPE_TAG
            2 | 7..=12 | 16 | 18 => 0,
            _ => return None,
        })
    }
}

/// A type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// Offset of the type in the bytes.
    at: usize,
    pub(super) kind: Kind,
    members: usize,
    /// For a structure: true if the offsets of its members also hold the sizes of bit fields.
    has_bit_fields: bool,
}

/// A member of a structure, an enumerator or a parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    /// Its name, empty where it has none.
    pub(super) name: &'a str,
    /// The number of a member's or a parameter's type, or the value of an enumerator.
    pub(super) value: u32,
    /// The offset in bits of a structure's member.
    pub(super) bits: u32,
}

/// A set of types.
#[derive(Debug)]
pub(super) struct Btf<B> {
    bytes: B,
    /// Offset of the string section in `bytes`.
    strings: usize,
    /// Offsets in `bytes` of the types, by their numbers from 1.
    types: Vec<u32>,
    /// The numbers of the types of each kind: a kernel has ten times as many types as structures.
    of_kind: [Vec<u32>; Kind::COUNT],
}

impl<B: AsRef<[u8]>> Btf<B> {
    /// Reads BTF of this host's byte order.
    pub(super) fn parse(content: B) -> Result<Self, FormatError> {
        let bytes = content.as_ref();
        let magic = bytes.first_chunk().map(|&magic| u16::from_ne_bytes(magic));
        if magic != Some(MAGIC) || bytes.get(2) != Some(&VERSION) {
            return Err(FormatError::Header);
        }
        let [header, type_off, type_len, str_off, str_len] =
            [4, 8, 12, 16, 20].map(|at| read(bytes, at).map(|number| number as usize));
        let section = |offset: Option<usize>, length: Option<usize>| {
            let start = header.filter(|&header| header >= HEADER)?.checked_add(offset?)?;
            let end = start.checked_add(length?)?;
            (end <= bytes.len()).then_some((start, end))
        };
        let (strings, _) = section(str_off, str_len).ok_or(FormatError::Truncated)?;
        let (mut at, end) = section(type_off, type_len).ok_or(FormatError::Truncated)?;
        let mut types = Vec::with_capacity((end - at) / USUAL_SIZE);
        let mut of_kind = [const { Vec::new() }; Kind::COUNT];
        while at < end {
            let info = read(bytes, at + 4).ok_or(FormatError::Truncated)?;
            let kind = Kind::of(info);
            let trailer = kind.trailer(members(info)).ok_or(FormatError::Kind(kind.0))?;
            types.push(u32::try_from(at).map_err(|_| FormatError::Truncated)?);
            if let Some(numbers) = of_kind.get_mut(usize::from(kind.0)) {
                numbers.push(types.len() as u32);
            }
            at += TYPE + trailer;
        }
        if at != end {
            return Err(FormatError::Truncated);
        }
        Ok(Self { bytes: content, strings, types, of_kind })
    }

    /// Returns the types of a kind and name, in their order.
    pub(super) fn find(&self, kind: Kind, name: &str) -> impl Iterator<Item = Type> {
        self.numbers(kind, name).filter_map(|number| self.by_number(number))
    }

    /// Returns the number of the first type of a kind and name.
    pub(super) fn number_of(&self, kind: Kind, name: &str) -> Option<u32> {
        self.numbers(kind, name).next()
    }

    fn numbers(&self, kind: Kind, name: &str) -> impl Iterator<Item = u32> {
        let of_kind = self.of_kind.get(usize::from(kind.0)).into_iter().flatten().copied();
        of_kind.filter(move |&number| self.offset(number).is_some_and(|at| self.is_called(at, name)))
    }

    /// Returns the name of a type; empty if it has none.
    pub(super) fn name(&self, found: Type) -> &str {
        self.number(found.at).map_or("", |offset| self.string(offset))
    }

    /// Returns the type that a pointer, a qualifier, a typedef or a function's result refers to; `None` for `void`.
    pub(super) fn target(&self, found: Type) -> Option<Type> {
        self.by_number(self.number(found.at + 8)?)
    }

    /// Returns the type with this number; `None` for 0, which is `void`.
    pub(super) fn by_number(&self, number: u32) -> Option<Type> {
        let at = self.offset(number)?;
        let info = self.number(at + 4)?;
        Some(Type { at, kind: Kind::of(info), members: members(info), has_bit_fields: info >> 31 == 1 })
    }

    fn offset(&self, number: u32) -> Option<usize> {
        self.types.get((number as usize).checked_sub(1)?).map(|&at| at as usize)
    }

    /// Follows a chain of pointers, qualifiers and typedefs to the first type that is of none of these kinds.
    pub(super) fn behind(&self, from: Option<Type>, kinds: &[Kind]) -> Option<Type> {
        let chain = std::iter::successors(from, |&found| self.target(found)).take(LONGEST_CHAIN);
        let mut others = chain.filter(|found| !kinds.contains(&found.kind));
        others.next()
    }

    /// Returns the members of a structure or union, the enumerators of an enumeration, or the parameters of a
    /// function's type.
    pub(super) fn members(&self, of: Type) -> impl Iterator<Item = Member<'_>> {
        let size = if matches!(of.kind, Kind::STRUCT | Kind::UNION) { 12 } else { 8 };
        (0..of.members).filter_map(move |index| {
            let at = of.at + TYPE + index * size;
            let bits = if size == 12 { self.number(at + 8)? } else { 0 };
            Some(Member {
                name: self.string(self.number(at)?),
                value: self.number(at + 4)?,
                bits: if of.has_bit_fields { bits & 0x00ff_ffff } else { bits },
            })
        })
    }

    fn number(&self, at: usize) -> Option<u32> {
        read(self.bytes.as_ref(), at)
    }

    /// Returns the bytes from a name's offset on, without looking for its end.
    fn tail(&self, offset: u32) -> &[u8] {
        self.bytes.as_ref().get(self.strings.saturating_add(offset as usize)..).unwrap_or_default()
    }

    fn string(&self, offset: u32) -> &str {
        let bytes = self.tail(offset).split(|&byte| byte == 0).next().unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn is_called(&self, at: usize, name: &str) -> bool {
        let rest = self.number(at).and_then(|offset| self.tail(offset).strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// Returns the number of members that an `info` word states.
const fn members(info: u32) -> usize {
    (info & 0xffff) as usize
}

/// Reads a number in this host's byte order.
fn read(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
