//! Captures built byte by byte, and the result of reading them.

mod build;
mod copies;
mod damage;
mod formats;
mod layers;
mod links;
mod order;
mod outliers;
mod properties;
mod rare_links;
mod tunnels;

use std::{error::Error, io::Read, iter};

use super::*;
use crate::{
    event::{Direction, Event, IcmpError, Segment},
    tcp::{SeqNumber, TcpFlags},
};

/// The result of reading a capture.
#[derive(Debug)]
struct Reading {
    framed: Vec<Framed>,
    error: Option<CaptureError>,
    counters: Counters,
    interfaces: Vec<Interface>,
}

impl Reading {
    /// The only event, a segment.
    fn segment(&self) -> Segment {
        match self.framed.as_slice() {
            [Framed { event: Event::Segment(segment), .. }] => *segment,
            other => panic!("{other:?} {:?} {:?}", self.counters, self.error),
        }
    }

    /// The only event, an ICMP error.
    fn icmp(&self) -> IcmpError {
        match self.framed.as_slice() {
            [Framed { event: Event::Icmp(error), .. }] => *error,
            other => panic!("{other:?} {:?} {:?}", self.counters, self.error),
        }
    }

    /// Times of all events.
    fn times(&self) -> Vec<u64> {
        self.framed.iter().map(|framed| framed.event.at().0).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.interfaces.iter().map(|interface| interface.name.as_str()).collect()
    }

    fn message(&self) -> String {
        let error = self.error.as_ref().map(|error| error as &dyn Error);
        let causes = iter::successors(error, |&error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

/// Reads a capture to its end, or to where it cannot be read further.
fn read(reader: impl Read) -> Reading {
    let mut frames = match open(reader) {
        Ok(Capture::Frames(frames)) => frames,
        Ok(Capture::Json(_) | Capture::Ttr(_)) => panic!("no capture"),
        Err(error) => {
            let (framed, counters, interfaces) = Default::default();
            return Reading { framed, error: Some(error), counters, interfaces };
        }
    };
    let (mut framed, mut error) = (Vec::new(), None);
    for item in &mut *frames {
        match item {
            Ok(one) => framed.push(one),
            Err(end) => error = Some(end),
        }
    }
    assert!(frames.next().is_none(), "the end is the end");
    Reading { framed, error, counters: frames.counters(), interfaces: frames.interfaces().to_vec() }
}
