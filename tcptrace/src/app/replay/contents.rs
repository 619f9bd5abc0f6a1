//! The contents of a file that may be compressed, decompressed as they are read.

use std::io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder as Lz4Decoder;

use super::zstd::Zstd;

/// Number of compressed bytes held at once.
const BUFFER: usize = 128 * 1024;

/// A reader whose first bytes have been examined.
type Begun<R> = Chain<Cursor<Vec<u8>>, R>;

/// The contents of a reader: decompressed for gzip, zstd and lz4 files with any number of members or frames, unchanged for
/// everything else. No more than a window of the contents is in memory at once.
#[derive(Debug)]
pub(super) struct Contents<R: Read> {
    decoder: Decoder<R>,
    /// Number of bytes of contents so far.
    given: u64,
}

enum Decoder<R: Read> {
    Plain(Begun<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Begun<R>>>>),
    Zstd(Box<Zstd<BufReader<Begun<R>>>>),
    Lz4(Box<Lz4Decoder<Whole<BufReader<Begun<R>>>>>),
}

impl<R: Read> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl<R: Read> Decoder<R> {
    fn name(&self) -> &'static str {
        match self {
            Self::Plain(_) => "plain",
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
            Self::Lz4(_) => "lz4",
        }
    }
}

impl<R: Read> Contents<R> {
    /// Detects the compression by the first four bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let mut first = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut first)?;
        let magic = first.first_chunk::<4>().copied().unwrap_or_default();
        let begun = Cursor::new(first).chain(reader);
        let buffered = |begun| BufReader::with_capacity(BUFFER, begun);
        let decoder = match magic {
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(MultiGzDecoder::new(buffered(begun)))),
            [0x28, 0xb5, 0x2f, 0xfd] => Decoder::Zstd(Box::new(Zstd::new(buffered(begun)))),
            [0x04, 0x22, 0x4d, 0x18] => Decoder::Lz4(Box::new(Lz4Decoder::new(Whole(buffered(begun))))),
            _ => Decoder::Plain(begun),
        };
        Ok(Self { decoder, given: 0 })
    }

    /// Returns true if the file is not compressed.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.decoder, Decoder::Plain(_))
    }
}

impl<R: Read> Read for Contents<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Plain(reader) => return reader.read(to),
            Decoder::Gzip(decoder) => decoder.read(to),
            Decoder::Zstd(decoder) => decoder.read(to),
            Decoder::Lz4(decoder) => read_lz4(decoder, to),
        };
        match read {
            Ok(count) => {
                self.given += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let (name, given) = (self.decoder.name(), self.given);
                let sentence =
                    format!("the {name} data is damaged or cut off {given} bytes into its contents: {error}");
                Err(io::Error::new(error.kind(), sentence))
            }
        }
    }
}

/// Continues reading after the end of a frame, where another one may begin.
fn read_lz4<R: BufRead>(decoder: &mut Lz4Decoder<Whole<R>>, to: &mut [u8]) -> io::Result<usize> {
    loop {
        let count = decoder.read(to)?;
        if count > 0 || to.is_empty() || decoder.get_mut().0.fill_buf()?.is_empty() {
            return Ok(count);
        }
    }
}

/// Fills the whole buffer, unless the end comes first: the decoder of lz4 takes a short read of its header for an end.
#[derive(Debug)]
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while let Some(room) = to.get_mut(count..).filter(|room| !room.is_empty()) {
            match self.0.read(room) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text() -> Vec<u8> {
        (0..200_000_u32).flat_map(|number| (number % 251 * number).to_le_bytes()).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn lz4(text: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(file: &[u8]) -> (Vec<u8>, io::Result<usize>) {
        let mut read = Vec::new();
        let outcome = Contents::new(file).unwrap().read_to_end(&mut read);
        (read, outcome)
    }

    #[test]
    fn contents_are_what_was_compressed() {
        let text = text();
        for compress in [gzip, zstd, lz4, <[u8]>::to_vec] {
            let (contents, outcome) = read(&compress(&text));
            assert!(outcome.is_ok() && contents == text, "{outcome:?} {}", contents.len());
        }
        for few in [&b""[..], b"a", b"abc"] {
            assert_eq!(read(few).0, few);
        }
    }

    #[test]
    fn all_members_are_read() {
        let (text, twice) = (text(), text().repeat(2));
        for compress in [gzip, zstd, lz4] {
            let (contents, outcome) = read(&[compress(&text), compress(&text)].concat());
            assert!(outcome.is_ok() && contents == twice, "{outcome:?} {}", contents.len());
        }
        // A skippable frame, as written by `pzstd`.
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let (contents, outcome) = read(&[&zstd(&text)[..], &skippable, &zstd(&text)].concat());
        assert!(outcome.is_ok() && contents == twice, "{outcome:?} {}", contents.len());
    }

    #[test]
    fn what_is_cut_off_is_an_error_with_its_place() {
        let text = text();
        for compress in [gzip, zstd] {
            let file = compress(&text);
            let (contents, outcome) = read(&file[..file.len() / 2]);
            assert!(text.starts_with(&contents));
            let message = outcome.unwrap_err().to_string();
            assert!(message.contains(&format!("cut off {} bytes into its contents", contents.len())), "{message}");
        }
    }
}
