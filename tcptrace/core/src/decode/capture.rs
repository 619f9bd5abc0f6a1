//! Decoder for captures: pcap and pcapng files to the events that the kernel programs would have made of the same
//! frames.
//!
//! ```text
//! IO       input       bytes, from a file or a pipe, a window at a time
//! ─────────────────────────────────────────────────────────────────────
//! pure     sniff       which format it is, or what it looks like instead
//!          pcap        records → frames
//!          snoop       records → frames
//!          erf         records → frames
//!          pcapng      blocks → interfaces, frames
//!          walk        a walk through a frame's headers: link, ethernet, wireless, tunnel pass one each
//!          layer       what the walk has met: VLAN tags, labels, sessions, tunnels
//!          ip          addresses, protocol, length
//!          transport   TCP segments and ICMP errors → Event
//!          copies      packets captured twice
//!          outliers    frames with a time far from those around them
//!          order       frames of several interfaces by their times
//!          unread      kinds of frames that give no event
//!          decoder     all of these in order, and counters
//! ```
//!
//! In these events [`crate::event::BootTime`] is not the time since boot, which no capture contains: it counts
//! nanoseconds since 1970 in UTC, so that differences mean the same as live.

mod bytes;
mod capture_point;
mod copies;
mod counters;
mod decoder;
mod erf;
mod error;
mod ethernet;
mod frame;
mod interfaces;
mod ip;
mod layer;
mod link;
mod link_type;
mod order;
mod outliers;
mod pcap;
mod pcapng;
mod sniff;
mod snoop;
#[cfg(test)]
mod tests;
mod time;
mod transport;
mod tunnel;
mod unread;
mod walk;
mod wireless;

use std::io::Read;

pub use self::{
    counters::{Counters, Skipped},
    error::CaptureError,
    frame::Framed,
    interfaces::Interface,
    layer::{Layer, Layers},
    link_type::LinkType,
    sniff::LooksLike,
    unread::Unread,
};
use self::{
    decoder::{Decoder, Step},
    erf::Erf,
    order::Order,
    outliers::Outliers,
    pcap::Pcap,
    pcapng::PcapNg,
    sniff::Format,
    snoop::Snoop,
};
pub use super::input::Input;

/// A file of captured traffic, by its format.
#[derive(Debug)]
pub enum Capture<R> {
    /// A pcap or pcapng file.
    Frames(Box<Frames<R>>),
    /// JSON lines, from their first byte on. They are recognised here and decoded by `decode::recording`.
    Json(Input<R>),
    /// A binary recording, from its first byte on, as [`Json`](Self::Json). It is decoded by `decode::ttr`.
    Ttr(Input<R>),
}

/// Detects the format of `reader`. It is read only as far as needed, so a pipe will do, and it needs no buffer of its
/// own.
///
/// # Errors
/// Fails if the input cannot be read, is not a capture, or has no frames that can be decoded.
pub fn open<R: Read>(reader: R) -> Result<Capture<R>, CaptureError> {
    let mut input = Input::new(reader);
    let format = loop {
        let ended = input.ended();
        match sniff::format(input.window(), ended).map_err(CaptureError::NotACapture)? {
            Some(format) => break format,
            None => input.fill(input.window().len() + 1).map_err(CaptureError::Io)?,
        };
    };
    let decoder = match format {
        Format::Json => return Ok(Capture::Json(input)),
        Format::Ttr => return Ok(Capture::Ttr(input)),
        Format::PcapNg => Decoder::pcapng(PcapNg::default()),
        Format::Erf => Decoder::erf(Erf::default()).map_err(|fault| fault.after(0, 0))?,
        Format::Pcap => {
            if !input.fill(Pcap::HEADER).map_err(CaptureError::Io)? {
                return Err(CaptureError::Truncated { frames: 0, bytes: 0 });
            }
            let (pcap, link_type) = Pcap::open(input.window()).map_err(|fault| fault.after(0, 0))?;
            input.advance(Pcap::HEADER);
            Decoder::pcap(pcap, link_type).map_err(|fault| fault.after(0, 0))?
        }
        Format::Snoop => {
            if !input.fill(Snoop::HEADER).map_err(CaptureError::Io)? {
                return Err(CaptureError::Truncated { frames: 0, bytes: 0 });
            }
            let (snoop, link_type) = Snoop::open(input.window()).map_err(|fault| fault.after(0, 0))?;
            input.advance(Snoop::HEADER);
            Decoder::snoop(snoop, link_type).map_err(|fault| fault.after(0, 0))?
        }
    };
    Ok(Capture::Frames(Box::new(Frames {
        input,
        decoder,
        outliers: Outliers::default(),
        order: Order::default(),
        finished: false,
        error: None,
    })))
}

/// The segments and ICMP errors of a capture, in the order of the file, or that of their times if it is of several interfaces.
///
/// An error is the last item: everything complete before it has been delivered.
#[derive(Debug)]
pub struct Frames<R> {
    input: Input<R>,
    decoder: Decoder,
    outliers: Outliers,
    order: Order,
    /// True if nothing more can be read, …
    finished: bool,
    /// … for this reason, if that is not the end of the file.
    error: Option<CaptureError>,
}

impl<R> Frames<R> {
    /// Returns true if all frames come from one interface and are seen there once, so that
    /// [`Correlator::expect_one_place`](crate::correlate::Correlator::expect_one_place) applies.
    pub fn is_of_one_place(&self) -> bool {
        self.decoder.is_of_one_place()
    }

    /// Returns the interfaces met so far. [`Framed::interface`] is an index into them; none is ever removed.
    pub fn interfaces(&self) -> &[Interface] {
        self.decoder.interfaces()
    }

    /// Returns the encapsulations met so far: number 1 in [`Segment::encapsulation`](crate::event::Segment::encapsulation) is
    /// the first. None is ever removed.
    pub fn encapsulations(&self) -> &[Layers] {
        self.decoder.encapsulations()
    }

    /// Returns true if everything read so far is consumed, so that the next frame may have to be waited for.
    pub fn is_dry(&self) -> bool {
        self.input.window().is_empty()
    }

    /// Returns the kinds of frames that were not decoded and their numbers, the most frequent first, without damaged
    /// records.
    pub fn unread(&self) -> Vec<(Unread, u64)> {
        self.decoder.unread()
    }

    /// Returns counts of the frames read so far and of those that could not be used.
    pub fn counters(&self) -> Counters {
        let (counters, outliers) = (self.decoder.counters(), self.outliers.corrected());
        // Next to each of them, time seems to run backwards once.
        let backwards = counters.backwards.saturating_sub(outliers);
        Counters { bytes: self.input.taken(), outliers, backwards, ..counters }
    }
}

impl<R: Read> Frames<R> {
    fn next_event(&mut self) -> Result<Option<Framed>, CaptureError> {
        loop {
            let window = self.input.window();
            match self.decoder.step(window).map_err(|fault| fault.after(self.frames(), self.input.taken()))? {
                Step::Framed { used, framed } => {
                    self.input.advance(used);
                    return Ok(Some(framed));
                }
                Step::Skip(count) => {
                    if !self.input.skip(count).map_err(CaptureError::Io)? {
                        return Err(self.truncated());
                    }
                }
                Step::Need(count) => {
                    if self.input.fill(count).map_err(CaptureError::Io)? {
                        continue;
                    }
                    if !self.input.window().is_empty() {
                        return Err(self.truncated());
                    }
                    let end = self.decoder.finish();
                    return end.map(|()| None).map_err(|fault| fault.after(self.frames(), self.input.taken()));
                }
            }
        }
    }

    fn frames(&self) -> u64 {
        self.decoder.counters().frames
    }

    fn truncated(&self) -> CaptureError {
        CaptureError::Truncated { frames: self.frames(), bytes: self.input.taken() }
    }
}

impl<R: Read> Iterator for Frames<R> {
    type Item = Result<Framed, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(framed) = self.order.next() {
                return Some(Ok(framed));
            }
            if let Some(framed) = self.outliers.next() {
                if self.decoder.has_several_writers() {
                    self.order.add(framed);
                    continue;
                }
                return Some(Ok(framed));
            }
            if self.order.holds() && (self.finished || self.input.is_drained()) {
                self.order.release();
                continue;
            }
            if self.finished {
                return self.error.take().map(Err);
            }
            match self.next_event() {
                Ok(Some(framed)) if !self.outliers.passes(&framed) => self.outliers.add(framed),
                Ok(Some(framed)) if self.decoder.has_several_writers() => self.order.add(framed),
                Ok(Some(framed)) => return Some(Ok(framed)),
                end => {
                    self.outliers.finish();
                    self.error = end.err();
                    self.finished = true;
                }
            }
        }
    }
}
