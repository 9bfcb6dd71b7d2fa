//! Archives as they come: headers and content out of bytes that arrive in pieces of any size. Pure.
//!
//! What is kept is one header and one long name, whatever arrives. Of the extensions those are read that PostgreSQL or
//! a tool in its place uses: GNU's long names and sizes beyond 8 GiB.

use crate::repo::manifest::EntryKind;

const BLOCK: usize = 512;
/// Longer than any path that a system takes.
const NAME_BYTES_MAX: u64 = 8192;
/// No file is larger; a header that says so is none.
const FILE_BYTES_MAX: u64 = 1 << 60;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Relative, without `.` and `..`, without a slash at its end.
    pub path: String,
    pub kind: EntryKind,
    pub bytes: u64,
    pub mode: u32,
    pub modified_unix_s: i64,
    /// Where a link leads.
    pub target: String,
}

/// A piece of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Something begins; a file's content follows.
    Entry(Header),
    /// Some of the file's content.
    Data(&'a [u8]),
    /// The file is complete.
    End,
}

/// Bytes that are no archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the archive is not one: {0}")]
pub(super) struct Malformed(pub String);

fn malformed<T>(what: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(what.into()))
}

/// Reads one archive.
#[derive(Debug)]
pub(super) struct Reader {
    stage: Stage,
    header: [u8; BLOCK],
    long_path: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Stage {
    /// So many bytes of the next header are there.
    Header(usize),
    /// So much of the file's content, and then of its padding, is still to come.
    Content { left: u64, padding: u64 },
    /// A name that did not fit into its header.
    Long { of_link: bool, left: u64, padding: u64 },
    /// What is not looked at.
    Padding(u64),
    /// Two blocks of zeros: nothing but zeros follows.
    Over,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            stage: Stage::Header(0),
            header: [0; BLOCK],
            long_path: None,
            long_target: None,
        }
    }

    /// Whether it may end here.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Over | Stage::Header(0))
    }

    /// The next piece; takes from `input` what it has read. None: more has to come.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, Malformed> {
        loop {
            match self.stage {
                Stage::Content { left: 0, padding } => {
                    self.stage = Stage::Padding(padding);
                    return Ok(Some(Part::End));
                }
                Stage::Padding(0) => self.stage = Stage::Header(0),
                _ if input.is_empty() => return Ok(None),
                Stage::Header(filled) => {
                    if let Some(header) = self.header(filled, input)? {
                        return Ok(Some(Part::Entry(header)));
                    }
                }
                Stage::Content { left, padding } => {
                    let taken = take(input, left);
                    let left = left - taken.len() as u64;
                    self.stage = Stage::Content { left, padding };
                    return Ok(Some(Part::Data(taken)));
                }
                Stage::Long { of_link, left, padding } => self.long(of_link, left, padding, input),
                Stage::Padding(left) => self.stage = Stage::Padding(left - take(input, left).len() as u64),
                Stage::Over => {
                    if take(input, u64::MAX).iter().any(|byte| *byte != 0) {
                        return malformed("something is behind its end");
                    }
                }
            }
        }
    }

    fn header(&mut self, filled: usize, input: &mut &[u8]) -> Result<Option<Header>, Malformed> {
        let taken = take(input, (BLOCK - filled) as u64);
        let filled = filled + taken.len();
        if let Some(room) = self.header.get_mut(filled - taken.len()..filled) {
            room.copy_from_slice(taken);
        }
        self.stage = Stage::Header(filled);
        if filled < BLOCK {
            return Ok(None);
        }
        if self.header.iter().all(|byte| *byte == 0) {
            self.stage = Stage::Over;
            return Ok(None);
        }
        self.read_header()
    }

    fn read_header(&mut self) -> Result<Option<Header>, Malformed> {
        let header = self.header;
        check_sum(&header)?;
        let bytes = number(field(&header, 124, 12))?;
        if bytes > FILE_BYTES_MAX {
            return malformed("a file in it is larger than any file");
        }
        let padding = bytes.next_multiple_of(BLOCK as u64) - bytes;
        let kind = match field(&header, 156, 1).first() {
            Some(b'0' | 0) => EntryKind::File,
            Some(b'5') => EntryKind::Directory,
            Some(b'2') => EntryKind::Link,
            Some(kind @ (b'L' | b'K')) if bytes <= NAME_BYTES_MAX => {
                self.begin_long(*kind == b'K', bytes, padding);
                return Ok(None);
            }
            kind => return malformed(format!("it has an entry of an unknown kind, {kind:?}")),
        };
        if kind == EntryKind::File {
            self.stage = Stage::Content { left: bytes, padding };
        } else if bytes == 0 {
            self.stage = Stage::Header(0);
        } else {
            return malformed("a directory or link in it has content");
        }
        let path = self.long_path.take().unwrap_or_else(|| path_of(&header));
        let target = self
            .long_target
            .take()
            .unwrap_or_else(|| text(field(&header, 157, 100)));
        Ok(Some(Header {
            path: safe_path(path)?,
            kind,
            bytes,
            mode: u32::try_from(number(field(&header, 100, 8))?).unwrap_or(0) & 0o7777,
            modified_unix_s: i64::try_from(number(field(&header, 136, 12))?).unwrap_or(0),
            target: utf8(target)?,
        }))
    }

    fn begin_long(&mut self, of_link: bool, left: u64, padding: u64) {
        let place = if of_link {
            &mut self.long_target
        } else {
            &mut self.long_path
        };
        *place = Some(Vec::new());
        self.stage = Stage::Long { of_link, left, padding };
    }

    fn long(&mut self, of_link: bool, left: u64, padding: u64, input: &mut &[u8]) {
        let taken = take(input, left);
        let left = left - taken.len() as u64;
        let place = if of_link {
            &mut self.long_target
        } else {
            &mut self.long_path
        };
        let name = place.get_or_insert_default();
        name.extend_from_slice(taken);
        if left > 0 {
            self.stage = Stage::Long { of_link, left, padding };
        } else {
            *name = text(name);
            self.stage = Stage::Padding(padding);
        }
    }
}

/// Takes at most so many bytes from the front.
fn take<'a>(input: &mut &'a [u8], bytes_max: u64) -> &'a [u8] {
    let count = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
    *input = rest;
    taken
}

fn field(header: &[u8; BLOCK], at: usize, bytes: usize) -> &[u8] {
    header.get(at..at + bytes).unwrap_or_default()
}

/// Up to the first zero.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn utf8(bytes: Vec<u8>) -> Result<String, Malformed> {
    String::from_utf8(bytes).map_err(|error| {
        Malformed(format!(
            "the name {} is not in UTF-8",
            String::from_utf8_lossy(error.as_bytes())
        ))
    })
}

/// Octal digits, or as GNU writes what does not fit: a set bit, and the number's bytes.
fn number(field: &[u8]) -> Result<u64, Malformed> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            let high = u64::from(first & 0x7F);
            let value = rest.iter().try_fold(high, |value, byte| {
                value.checked_mul(256).map(|value| value | u64::from(*byte))
            });
            value.ok_or_else(|| Malformed("a number in it is too large".to_owned()))
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Result<u64, Malformed> {
    let digits = field.iter().skip_while(|byte| **byte == b' ');
    digits
        .take_while(|byte| !matches!(byte, 0 | b' '))
        .try_fold(0_u64, |value, digit| match digit {
            b'0'..=b'7' => value.checked_mul(8).map(|value| value + u64::from(digit - b'0')),
            _ => None,
        })
        .ok_or_else(|| Malformed("a number in it is none".to_owned()))
}

fn check_sum(header: &[u8; BLOCK]) -> Result<(), Malformed> {
    if field(header, 257, 5) != b"ustar" {
        return malformed("a header in it is none");
    }
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    // The field itself counts as spaces.
    let expected = sum(header) - sum(field(header, 148, 8)) + 8 * u64::from(b' ');
    if number(field(header, 148, 8))? == expected {
        Ok(())
    } else {
        malformed("a header in it is damaged")
    }
}

fn path_of(header: &[u8; BLOCK]) -> Vec<u8> {
    let (name, prefix) = (text(field(header, 0, 100)), text(field(header, 345, 155)));
    // GNU's own form has something else in the place of the prefix.
    if prefix.is_empty() || field(header, 257, 8) == b"ustar  \0" {
        return name;
    }
    [prefix, name].join(&b'/')
}

/// The path as it is kept; an error where it would lead elsewhere.
fn safe_path(path: Vec<u8>) -> Result<String, Malformed> {
    let path = utf8(path)?;
    let trimmed = path.strip_prefix("./").unwrap_or(&path);
    let trimmed = trimmed.trim_end_matches('/');
    let is_safe = !trimmed.split('/').any(|part| matches!(part, "" | "." | ".."));
    if is_safe {
        Ok(trimmed.to_owned())
    } else {
        malformed(format!("the path {} leads elsewhere", path.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(header: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn header(path: &[u8], kind: u8, size: &[u8]) -> [u8; BLOCK] {
        let mut header = [0; BLOCK];
        put(&mut header, 0, path);
        put(&mut header, 100, b"0000600\0");
        put(&mut header, 124, size);
        put(&mut header, 136, b"00000001750 ");
        put(&mut header, 156, &[kind]);
        put(&mut header, 257, b"ustar\x0000");
        sign(header)
    }

    fn sign(mut header: [u8; BLOCK]) -> [u8; BLOCK] {
        put(&mut header, 148, b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
        header
    }

    fn file(path: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = header(path, b'0', format!("{:011o} ", content.len()).as_bytes()).to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    /// Everything in an archive that arrives in pieces of this size, as text.
    fn read(archive: &[u8], piece: usize) -> Result<Vec<String>, Malformed> {
        let (mut reader, mut seen, mut content) = (Reader::new(), Vec::new(), Vec::new());
        for mut piece in archive.chunks(piece.max(1)) {
            while let Some(part) = reader.next(&mut piece)? {
                match part {
                    Part::Entry(header) => seen.push(format!("{:?} {} {}", header.kind, header.path, header.target)),
                    Part::Data(data) => content.extend_from_slice(data),
                    Part::End => seen.push(format!("{} bytes", std::mem::take(&mut content).len())),
                }
            }
        }
        assert!(reader.is_complete());
        Ok(seen)
    }

    #[test]
    fn files_directories_links_and_long_names_are_read() {
        let long = ["d"; 90].join("/");
        let mut link = header(b"pg_wal/", b'2', b"00000000000 ");
        put(&mut link, 157, b"/elsewhere");
        let archive = [
            file(b"backup_label", b"START"),
            header(b"base/", b'5', b"00000000000 ").to_vec(),
            sign(link).to_vec(),
            file(b"empty", b"").as_slice().to_vec(),
            {
                let mut name = file(b"././@LongLink", long.as_bytes());
                let mut header = *name.first_chunk::<BLOCK>().unwrap();
                header[156] = b'L';
                put(name_block(&mut name), 0, &sign(header));
                name
            },
            file(b"short", &[7; 1000]),
            vec![0; 2 * BLOCK],
        ]
        .concat();
        let expected = [
            "File backup_label ",
            "5 bytes",
            "Directory base ",
            "Link pg_wal /elsewhere",
            "File empty ",
            "0 bytes",
            &format!("File {long} "),
            "1000 bytes",
        ];
        for piece in [1, 3, 512, 700, 100_000] {
            assert_eq!(read(&archive, piece).unwrap(), expected, "{piece}");
        }
    }

    fn name_block(bytes: &mut [u8]) -> &mut [u8; BLOCK] {
        bytes.first_chunk_mut::<BLOCK>().unwrap()
    }

    #[test]
    fn sizes_beyond_eight_gibibytes_are_read() {
        let mut size = [0_u8; 12];
        size[0] = 0x80;
        size[4..].copy_from_slice(&(20_u64 << 30).to_be_bytes());
        let block = header(b"f", b'0', &size);
        let entry = Reader::new().next(&mut block.as_slice()).unwrap();
        assert!(matches!(entry, Some(Part::Entry(header)) if header.bytes == 20 << 30));
    }

    #[test]
    fn what_leads_elsewhere_or_is_damaged_is_refused() {
        for path in [
            b"../x".as_slice(),
            b"/etc/passwd",
            b"a/../b",
            b"",
            b"a//b",
            b"./",
            b"a/.",
        ] {
            assert!(read(&file(path, b""), 512).is_err(), "{path:?}");
        }
        let mut damaged = file(b"a", b"");
        damaged[0] ^= 1;
        assert!(read(&damaged, 512).is_err());
        assert!(read(&header(b"a", b'1', b"00000000000 "), 512).is_err(), "hard links");
        assert!(read(&header(b"a", b'5', b"00000000001 "), 512).is_err());
        assert!(read(&header(b"a", b'L', b"00077777777 "), 512).is_err());
        let behind = [vec![0; 2 * BLOCK], file(b"a", b"")].concat();
        assert!(read(&behind, 512).is_err());
    }

    proptest! {
        #[test]
        fn whatever_arrives_ends_and_is_the_same_in_any_pieces(
            bytes in prop::collection::vec(any::<u8>(), 0..3_000),
            flips in prop::collection::vec((0_usize..4_000, any::<u8>()), 0..4),
            signed in any::<bool>(),
            piece in 1_usize..900,
        ) {
            let mut archive = [file(b"one", &bytes), file(b"two", &bytes), vec![0; 1024]].concat();
            for (at, byte) in flips {
                if let Some(place) = archive.get_mut(at) {
                    *place = byte;
                }
            }
            if signed {
                let first = sign(*archive.first_chunk::<BLOCK>().unwrap());
                put(name_block(&mut archive), 0, &first);
            }
            let run = |piece: usize| {
                let (mut reader, mut seen) = (Reader::new(), Vec::new());
                for mut piece in archive.chunks(piece) {
                    loop {
                        match reader.next(&mut piece) {
                            Ok(Some(Part::Data(data))) => {
                                let Some(Ok((_, bytes))) = seen.last_mut() else {
                                    panic!("content of nothing");
                                };
                                *bytes += data.len();
                            }
                            Ok(Some(part)) => seen.push(Ok((format!("{part:?}"), 0))),
                            Ok(None) => break,
                            Err(error) => {
                                seen.push(Err(error));
                                return seen;
                            }
                        }
                    }
                }
                seen
            };
            prop_assert_eq!(run(piece), run(archive.len()));
        }
    }
}
