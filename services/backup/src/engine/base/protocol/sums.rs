//! The server's own manifest of a backup: held against what arrived, and written anew where files were put together
//! here. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::engine::base::pages::first_block;

/// Its name among the files of a backup.
pub(super) const PATH: &str = "backup_manifest";
/// What begins its last line.
const LAST_LINE: &str = "\"Manifest-Checksum\"";

/// A manifest that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    /// It is not one.
    #[error("the server's manifest cannot be read: {0}")]
    Unreadable(String),
    /// It does not name what arrived.
    #[error("what arrived is not what the server's manifest says: {0}")]
    Other(String),
}

/// A file, as the manifest has it.
#[derive(Debug, Deserialize)]
pub(super) struct Named<'a> {
    #[serde(rename = "Path", borrow, default)]
    pub path: Cow<'a, str>,
    #[serde(rename = "Size")]
    pub bytes: u64,
    #[serde(rename = "Last-Modified", borrow)]
    pub modified: Cow<'a, str>,
    #[serde(rename = "Checksum-Algorithm", borrow, default)]
    pub algorithm: Cow<'a, str>,
    #[serde(rename = "Checksum", borrow, default)]
    pub checksum: Cow<'a, str>,
}

impl Named<'_> {
    /// Whether it has this sum, which the server writes byte by byte in its own order.
    pub(super) fn has(&self, bytes: u64, crc: u32) -> bool {
        let is_one_of = |order: [u8; 4]| self.checksum.eq_ignore_ascii_case(&hexadecimal(&order));
        self.bytes == bytes
            && self.algorithm == "CRC32C"
            && (is_one_of(crc.to_le_bytes()) || is_one_of(crc.to_be_bytes()))
    }
}

/// The lines in front of the files and behind them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    version: u64,
    system_identifier: Option<u64>,
    ranges: Vec<(u64, String, String)>,
}

/// Reads a manifest; `file` is told each file that it names.
pub(super) fn read(manifest: &[u8], mut file: impl FnMut(Named<'_>) -> Result<(), Misfit>) -> Result<Frame, Misfit> {
    check_own_sum(manifest)?;
    let mut trouble = None;
    let mut deserializer = serde_json::Deserializer::from_slice(manifest);
    let seed = Whole {
        file: &mut file,
        trouble: &mut trouble,
    };
    let read = seed.deserialize(&mut deserializer);
    match (trouble, read) {
        (Some(trouble), _) => Err(trouble),
        (None, read) => read.map_err(|error| Misfit::Unreadable(error.to_string())),
    }
}

/// The last line is a hash of those before it.
fn check_own_sum(manifest: &[u8]) -> Result<(), Misfit> {
    let unreadable = |what: &str| Misfit::Unreadable(what.to_owned());
    let without_end = manifest.strip_suffix(b"\n").unwrap_or(manifest);
    let at = without_end.iter().rposition(|byte| *byte == b'\n');
    let (head, last) = manifest.split_at(at.ok_or_else(|| unreadable("it has one line only"))? + 1);
    let hash = hexadecimal(digest(&SHA256, head).as_ref());
    let last = String::from_utf8_lossy(last).to_ascii_lowercase();
    if last.starts_with(&LAST_LINE.to_ascii_lowercase()) && last.contains(&hash) {
        Ok(())
    } else {
        Err(unreadable("its own checksum does not fit"))
    }
}

struct Whole<'f, F> {
    file: &'f mut F,
    trouble: &'f mut Option<Misfit>,
}

impl<'de, F: FnMut(Named<'_>) -> Result<(), Misfit>> DeserializeSeed<'de> for Whole<'_, F> {
    type Value = Frame;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Frame, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "Timeline")]
    timeline: u64,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

impl<'de, F: FnMut(Named<'_>) -> Result<(), Misfit>> Visitor<'de> for Whole<'_, F> {
    type Value = Frame;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a manifest of a backup")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Frame, A::Error> {
        let mut frame = Frame::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "PostgreSQL-Backup-Manifest-Version" => frame.version = map.next_value()?,
                "System-Identifier" => frame.system_identifier = Some(map.next_value()?),
                "Files" => map.next_value_seed(Files {
                    file: &mut *self.file,
                    trouble: &mut *self.trouble,
                })?,
                "WAL-Ranges" => {
                    let ranges: Vec<Range> = map.next_value()?;
                    let read = ranges.into_iter().map(|range| (range.timeline, range.start, range.end));
                    frame.ranges = read.collect();
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(frame)
    }
}

struct Files<'f, F> {
    file: &'f mut F,
    trouble: &'f mut Option<Misfit>,
}

impl<'de, F: FnMut(Named<'_>) -> Result<(), Misfit>> DeserializeSeed<'de> for Files<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Named<'_>) -> Result<(), Misfit>> Visitor<'de> for Files<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut files: A) -> Result<(), A::Error> {
        while let Some(named) = files.next_element::<Named<'de>>()? {
            if let Err(trouble) = (self.file)(named) {
                *self.trouble = Some(trouble);
                return Err(serde::de::Error::custom("it does not fit"));
            }
        }
        Ok(())
    }
}

/// Writes a manifest as the server would.
#[derive(Debug, Default)]
pub(super) struct Writer {
    files: String,
}

impl Writer {
    /// A file, with what it is now.
    pub(super) fn add(&mut self, path: &str, modified: &str, bytes: u64, crc: u32) {
        self.put(path, modified, bytes, &hexadecimal(&crc.to_ne_bytes()));
    }

    /// A file as another manifest has it.
    pub(super) fn copy(&mut self, named: &Named<'_>) {
        self.put(&named.path, &named.modified, named.bytes, &named.checksum);
    }

    fn put(&mut self, path: &str, modified: &str, bytes: u64, sum: &str) {
        if !self.files.is_empty() {
            self.files.push_str(",\n");
        }
        let (path, modified, sum) = (quoted(path), quoted(modified), quoted(sum));
        // Writing to a text cannot fail.
        let _ = write!(
            self.files,
            r#"{{ "Path": {path}, "Size": {bytes}, "Last-Modified": {modified}, "Checksum-Algorithm": "CRC32C", "Checksum": {sum} }}"#
        );
    }

    /// All files were added.
    pub(super) fn finish(self, frame: &Frame) -> Vec<u8> {
        let mut text = format!("{{ \"PostgreSQL-Backup-Manifest-Version\": {},\n", frame.version);
        if let Some(identifier) = frame.system_identifier {
            text += &format!("\"System-Identifier\": {identifier},\n");
        }
        text += &format!("\"Files\": [\n{}\n],\n\"WAL-Ranges\": [\n", self.files);
        let ranges = frame.ranges.iter().map(|(timeline, start, end)| {
            let (start, end) = (quoted(start), quoted(end));
            format!("{{ \"Timeline\": {timeline}, \"Start-LSN\": {start}, \"End-LSN\": {end} }}")
        });
        text += &ranges.collect::<Vec<_>>().join(",\n");
        text += "\n],\n";
        let hash = hexadecimal(digest(&SHA256, text.as_bytes()).as_ref());
        text += &format!("{LAST_LINE}: \"{hash}\"}}\n");
        text.into_bytes()
    }
}

/// A manifest as the server is to see it that is asked for what changed since. It sends whole what it does not find
/// there: that has to be every map of visibility. Bits in one are cleared without a word in the log, so that the server
/// believes that nothing changed, and pages that are not visible to all would be taken for such.
pub(super) fn without_maps(manifest: &[u8]) -> Result<Vec<u8>, Misfit> {
    let mut writer = Writer::default();
    let frame = read(manifest, |named| {
        if !is_map(&named.path) {
            writer.copy(&named);
        }
        Ok(())
    })?;
    Ok(writer.finish(&frame))
}

/// Whether a file is a relation's map of visibility.
fn is_map(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let relation = name.split('.').next().unwrap_or(name);
    relation.ends_with("_vm") && first_block(path).is_some()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn hexadecimal(bytes: &[u8]) -> String {
    crate::repo::seal::hexadecimal(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.add("base/5/1", "2026-01-01 00:00:00 GMT", 8192, 0x0102_0304);
        writer.add("odd \"name\"", "2026-01-01 00:00:00 GMT", 0, 0);
        writer.finish(&Frame {
            version: 2,
            system_identifier: Some(7_320_280_665_284_567_118),
            ranges: vec![(1, "0/2000028".to_owned(), "0/2000100".to_owned())],
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let mut seen = Vec::new();
        let frame = read(&written(), |file| {
            assert!(file.has(file.bytes, if file.bytes > 0 { 0x0102_0304 } else { 0 }));
            assert!(!file.has(file.bytes + 1, 0) && !file.has(file.bytes, 7));
            seen.push(file.path.into_owned());
            Ok(())
        });
        assert_eq!(frame.unwrap().ranges.len(), 1);
        assert_eq!(seen, ["base/5/1", "odd \"name\""]);
    }

    #[test]
    fn trouble_with_a_file_is_told_as_such() {
        let trouble = Misfit::Other("base/5/1".to_owned());
        let read = read(&written(), |_| Err(Misfit::Other("base/5/1".to_owned())));
        assert_eq!(read, Err(trouble));
    }

    #[test]
    fn maps_of_visibility_are_left_out_for_the_server() {
        let mut writer = Writer::default();
        for path in [
            "base/5/1_vm",
            "base/5/1",
            "base/5/1_vm.1",
            "base/5/1_fsm",
            "my_vm",
            "pg_tblspc/9/PG_17/5/2_vm",
        ] {
            writer.add(path, "2026-01-01 00:00:00 GMT", 8192, 7);
        }
        let manifest = without_maps(&writer.finish(&Frame::default())).unwrap();
        let mut seen = Vec::new();
        let read = read(&manifest, |named| {
            assert!(named.has(8192, 7));
            seen.push(named.path.into_owned());
            Ok(())
        });
        assert_eq!(
            (read, seen.join(" ")),
            (Ok(Frame::default()), "base/5/1 base/5/1_fsm my_vm".to_owned())
        );
    }

    proptest! {
        #[test]
        fn no_byte_can_be_another(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
            let mut manifest = written();
            let end = manifest.len() - 4;
            let at = at.index(end);
            // Small letters and large ones are the same in the last line.
            prop_assume!(flip != 0x20);
            manifest[at] ^= flip;
            prop_assert!(read(&manifest, |_| Ok(())).is_err());
        }
    }
}
