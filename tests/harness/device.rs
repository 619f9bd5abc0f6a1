//! Network devices whose other side is the test itself (the kernel's Documentation/networking/tuntap.rst).

use std::{
    fs::{File, OpenOptions},
    os::fd::AsRawFd,
};

use crate::netns::Netns;

/// Creates a device of this kind inside `netns`. It is removed when the file is dropped.
#[track_caller]
pub(crate) fn open(netns: &Netns, name: &str, kind: libc::c_int) -> File {
    netns.run(|| {
        let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("root may open the device");
        configure(&file, name, kind);
        file
    })
}

fn configure(file: &File, name: &str, kind: libc::c_int) {
    // SAFETY: `ifreq` is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    assert!(name.len() < request.ifr_name.len(), "{name} is too long");
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(kind | libc::IFF_NO_PI).expect("flags are small");
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, and `request` outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(result, 0, "no device {name}: {}", std::io::Error::last_os_error());
}
