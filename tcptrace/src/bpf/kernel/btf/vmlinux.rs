//! The file with the descriptions of the kernel's types: some megabytes, most of which nobody reads.

use std::{fs::File, io, io::Read as _, ptr};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Its path.
pub(super) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The contents of the file.
#[derive(Debug)]
pub(super) enum Vmlinux {
    /// The kernel's own memory (since 6.16): nothing is copied.
    Mapped(Mapping),
    /// A copy.
    Read(Vec<u8>),
}

impl Vmlinux {
    /// Opens the file.
    pub(super) fn open() -> io::Result<Self> {
        let mut file = File::open(VMLINUX)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        // Older kernels refuse.
        if let Ok(mapping) = Mapping::of(&file, length) {
            return Ok(Self::Mapped(mapping));
        }
        let mut bytes = Vec::with_capacity(length);
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }
}

impl AsRef<[u8]> for Vmlinux {
    fn as_ref(&self) -> &[u8] {
        match self {
            // SAFETY: the mapping has this length, lasts as long as the value, and the kernel never changes its types.
            Self::Mapped(Mapping { start, length }) => unsafe { std::slice::from_raw_parts(start.cast(), *length) },
            Self::Read(bytes) => bytes,
        }
    }
}

/// A file in the address space of this process.
#[derive(Debug)]
pub(super) struct Mapping {
    start: *const std::ffi::c_void,
    length: usize,
}

impl Mapping {
    fn of(file: &File, length: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        Ok(Self { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing refers to it any more. It cannot fail: address and length are those of a mapping.
        let _unmapped = unsafe { munmap(self.start.cast_mut(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_mapped_and_read() {
        // A kernel without BTF has no such file.
        let Ok(file) = Vmlinux::open() else { return };
        let read = std::fs::read(VMLINUX).expect("it could be opened");
        assert!(file.as_ref() == read);
    }
}
