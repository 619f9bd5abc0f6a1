//! The interfaces of a capture, numbered through all its sections.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{LinkType, error::Fault, link_type::Layout};

/// Maximum number of interfaces in one file. Names are cut to [`MAX_NAME_LEN`], so that no file can exhaust memory with
/// them.
const MAX_INTERFACES: usize = 1 << 16;

/// Maximum length of a name in bytes. Linux has 15, Windows about 50.
const MAX_NAME_LEN: usize = 256;

/// An interface that frames were captured on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Its name in the file, or that of its link type if it has none; `ifindex` and the number for a device that a
    /// frame names only by index. Comes from outside: escape it.
    pub name: String,
    /// Link type of its frames.
    pub link_type: LinkType,
}

/// The interfaces met so far.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: Vec<Interface>,
    layouts: Vec<Option<Layout>>,
    /// A capture of all devices at once has one interface in the file, but a segment that passes two devices is not a
    /// retransmission: each device is an interface here.
    devices: HashMap<(u32, u32), u32, RandomState>,
    /// The device looked up last: frames of one device come in runs.
    last: Option<((u32, u32), u32)>,
}

impl Interfaces {
    /// Returns all interfaces, in the order of their numbers.
    pub(super) fn all(&self) -> &[Interface] {
        &self.known
    }

    /// Returns the layout of the frames of interface `number`; `None` if its link type is not supported, or the
    /// interface is unknown.
    pub(super) fn layout(&self, number: u32) -> Option<Layout> {
        *self.layouts.get(number as usize)?
    }

    /// Returns a link type for the error message if none is supported.
    pub(super) fn unsupported(&self) -> Option<LinkType> {
        if self.layouts.iter().any(Option::is_some) { None } else { self.known.first().map(|first| first.link_type) }
    }

    /// Adds an interface and returns its number.
    pub(super) fn add(&mut self, name: Option<&[u8]>, link_type: LinkType) -> Result<u32, Fault> {
        if self.known.len() >= MAX_INTERFACES {
            return Err(Fault::Damaged("it describes more interfaces than any machine has"));
        }
        let name = name.map(|name| name.get(..MAX_NAME_LEN).unwrap_or(name)).filter(|name| !name.is_empty());
        let name = name.map_or_else(|| link_type.to_string(), |name| String::from_utf8_lossy(name).into_owned());
        Ok(self.push(Interface { name, link_type }))
    }

    /// Returns the number of a device that frames of interface `number` name by index; that of the interface itself if
    /// there are too many.
    pub(super) fn device(&mut self, number: u32, index: u32) -> u32 {
        let key = (number, index);
        if let Some((last, device)) = self.last
            && last == key
        {
            return device;
        }
        let device = match self.devices.get(&key) {
            Some(&device) => device,
            None if self.known.len() >= MAX_INTERFACES => return number,
            None => {
                let link_type = self.known.get(number as usize).map_or(LinkType(u32::MAX), |known| known.link_type);
                let device = self.push(Interface { name: format!("ifindex {index}"), link_type });
                self.devices.insert(key, device);
                device
            }
        };
        self.last = Some((key, device));
        device
    }

    fn push(&mut self, interface: Interface) -> u32 {
        let number = self.known.len() as u32;
        self.layouts.push(interface.link_type.layout());
        self.known.push(interface);
        number
    }
}
