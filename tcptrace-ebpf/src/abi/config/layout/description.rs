//! Descriptions of what the programs read: how to find it in BTF, or in a tracepoint's `format` file.

/// Number of bytes of `struct sock_common` that are read at once. User space checks that the members needed are among
/// them.
pub const SOCKET_HEAD: usize = 104;

/// Place of a value in BTF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Byte offset of a member: structure, member. Members of anonymous structures count as the outer one's.
    Member(&'static str, &'static str),
    /// Byte offset of a member of a structure within another one: the sum of both offsets.
    Nested([(&'static str, &'static str); 2]),
    /// Byte offset of a member of an unnamed structure that is itself a member: structure, member, inner member.
    Inner(&'static str, &'static str, &'static str),
    /// Offset in bits of a member that is a bit field: structure, member.
    Bit(&'static str, &'static str),
    /// Value of an enumerator: enumeration, name; anonymous enumerations have an empty one.
    Enumerator(&'static str, &'static str),
}

/// A member that the programs read from a copy of the first [`SOCKET_HEAD`] bytes of a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadMember {
    /// Number of bytes read.
    pub size: u32,
    /// Required alignment of the offset.
    pub align: u32,
}

impl HeadMember {
    /// Returns true if the member can be read at this offset: it is within the head, and aligned.
    pub const fn fits(self, offset: u32) -> bool {
        offset.saturating_add(self.size) <= SOCKET_HEAD as u32 && offset.is_multiple_of(self.align)
    }
}

/// A number from the running kernel's BTF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KernelValue {
    /// Its place.
    pub place: Place,
    /// Its place in other versions of the kernel.
    pub alternative: Option<Place>,
    /// True if the programs can do without it: the field is then [`ABSENT`](super::ABSENT).
    pub optional: bool,
    /// The member's form, if it is read from the head of a socket, which limits its offset.
    pub head: Option<HeadMember>,
}

impl KernelValue {
    pub(super) const fn at(place: Place) -> Self {
        Self { place, alternative: None, optional: false, head: None }
    }

    pub(super) const fn member(structure: &'static str, member: &'static str) -> Self {
        Self::at(Place::Member(structure, member))
    }

    pub(super) const fn nested(outer: (&'static str, &'static str), inner: (&'static str, &'static str)) -> Self {
        Self::at(Place::Nested([outer, inner]))
    }

    pub(super) const fn inner(structure: &'static str, member: &'static str, inner: &'static str) -> Self {
        Self::at(Place::Inner(structure, member, inner))
    }

    pub(super) const fn bit(structure: &'static str, member: &'static str) -> Self {
        Self::at(Place::Bit(structure, member))
    }

    pub(super) const fn enumerator(enumeration: &'static str, name: &'static str) -> Self {
        Self::at(Place::Enumerator(enumeration, name))
    }

    /// A member of `struct sock_common` that is read as a `T` from the head of a socket.
    pub(super) const fn head<T>(member: &'static str) -> Self {
        let head = HeadMember { size: size_of::<T>() as u32, align: align_of::<T>() as u32 };
        Self { head: Some(head), ..Self::member("sock_common", member) }
    }

    pub(super) const fn or_member(self, structure: &'static str, member: &'static str) -> Self {
        Self { alternative: Some(Place::Member(structure, member)), ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// A field of the tracepoint `sock:inet_sock_set_state`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventField {
    /// Its name in the tracepoint's `format` file.
    pub name: &'static str,
    /// Required size in bytes.
    pub size: u32,
}

impl EventField {
    pub(super) const fn of<T>(name: &'static str) -> Self {
        Self { name, size: size_of::<T>() as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_head_have_to_lie_within_it_and_be_aligned() {
        let member = |size, align| HeadMember { size, align };
        assert!(member(4, 4).fits(0) && member(2, 2).fits(12) && member(8, 8).fits(48) && member(16, 8).fits(72));
        assert!(member(16, 8).fits(88));
        assert!(!member(16, 4).fits(92), "beyond the head");
        assert!(!member(8, 1).fits(u32::MAX), "nowhere");
        assert!(!member(8, 8).fits(44), "not aligned");
    }
}
