//! A result as it lies in Redis. Pure.
//!
//! A digest that depends on the key, one byte that says how the rest is written, and the rest. What does not have its
//! digest (cut off, damaged, or written for another key) is nothing. That is against accidents, not against forgers: who
//! may write into Redis can read the key in the name. Whether a result still holds is not decided here either: that is
//! for whoever knows what has changed since.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

/// The format of what is kept: 1. To be raised with every change of it, here or in what is handed to [`pack`].
const FORMAT: u32 = 1;
const DIGEST: usize = 16;
/// What stands before the rest.
pub(super) const HEADER: usize = DIGEST + 1;
/// The length of what was compressed stands before it.
const LENGTH: usize = 4;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Smaller ones are not worth it: a fifth is saved at best, and an entry of Redis has its own overhead.
const COMPRESS_FROM: usize = 1024;
/// Compressed is kept if it saves an eighth at least.
const WORTH: usize = 8;

/// The name of a key in Redis. Versions of Weir that could write differently do not know each other's names.
pub(super) fn name(key: &[u8; 32]) -> String {
    let mut name = format!("weir:{}-{FORMAT}:", env!("CARGO_PKG_VERSION"));
    URL_SAFE_NO_PAD.encode_string(key, &mut name);
    name
}

/// A result as it is kept.
pub(super) fn pack(key: &[u8; 32], blob: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; DIGEST];
    match compressed(blob) {
        Some((length, rest)) => {
            packed.push(LZ4);
            packed.extend_from_slice(&length.to_le_bytes());
            packed.extend_from_slice(&rest);
        }
        None => {
            packed.push(PLAIN);
            packed.extend_from_slice(blob);
        }
    }
    if let Some((place, rest)) = packed.split_at_mut_checked(DIGEST) {
        place.copy_from_slice(&digest(key, rest));
    }
    packed
}

/// The result in what was kept under this key, if it is one and no larger.
pub(super) fn unpack(key: &[u8; 32], packed: Vec<u8>, bytes_max: usize) -> Option<Bytes> {
    let (said, rest) = packed.split_at_checked(DIGEST)?;
    if said != digest(key, rest) {
        return None;
    }
    match rest.split_first()? {
        (&PLAIN, blob) => (blob.len() <= bytes_max).then(|| Bytes::from(packed).slice(HEADER..)),
        (&LZ4, rest) => decompressed(rest, bytes_max),
        _ => None,
    }
}

/// Keyed, so that a blob under another key's name is as good as damaged.
fn digest(key: &[u8; 32], rest: &[u8]) -> [u8; DIGEST] {
    let whole = blake3::keyed_hash(key, rest);
    let mut digest = [0; DIGEST];
    digest
        .iter_mut()
        .zip(whole.as_bytes())
        .for_each(|(to, from)| *to = *from);
    digest
}

fn compressed(blob: &[u8]) -> Option<(u32, Vec<u8>)> {
    if blob.len() < COMPRESS_FROM {
        return None;
    }
    let length = u32::try_from(blob.len()).ok()?;
    let rest = lz4_flex::block::compress(blob);
    (LENGTH + rest.len() <= blob.len() - blob.len() / WORTH).then_some((length, rest))
}

fn decompressed(rest: &[u8], bytes_max: usize) -> Option<Bytes> {
    let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > bytes_max {
        return None;
    }
    let blob = lz4_flex::block::decompress(rest, length).ok()?;
    (blob.len() == length).then(|| blob.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const BYTES_MAX: usize = 1 << 20;

    fn rows(count: usize) -> Vec<u8> {
        (0..count)
            .flat_map(|row| format!("D{row:06}\0user{row}@example.com").into_bytes())
            .collect()
    }

    #[test]
    fn what_was_packed_is_unpacked_and_the_large_are_smaller() {
        for blob in [vec![], b"D".to_vec(), rows(30), rows(10_000)] {
            let packed = pack(&KEY, &blob);
            let expected = if blob.len() < COMPRESS_FROM { PLAIN } else { LZ4 };
            assert_eq!(packed[DIGEST], expected, "{} bytes", blob.len());
            assert!(expected == PLAIN || packed.len() * 3 < blob.len() * 2);
            assert_eq!(unpack(&KEY, packed, BYTES_MAX).unwrap(), blob);
        }
    }

    #[test]
    fn what_does_not_get_smaller_stays_as_it_is() {
        let mut noise = vec![0; 4096];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let packed = pack(&KEY, &noise);
        assert_eq!((packed.len(), packed[DIGEST]), (HEADER + noise.len(), PLAIN));
        assert_eq!(unpack(&KEY, packed, BYTES_MAX).unwrap(), noise);
    }

    #[test]
    fn whatever_else_lies_there_is_nothing() {
        for blob in [rows(3), rows(100)] {
            let packed = pack(&KEY, &blob);
            for length in 0..packed.len() {
                assert_eq!(unpack(&KEY, packed[..length].to_vec(), BYTES_MAX), None);
            }
            for at in 0..packed.len() {
                let mut other = packed.clone();
                other[at] ^= 1;
                assert_eq!(unpack(&KEY, other, BYTES_MAX), None, "byte {at}");
            }
            assert_eq!(unpack(&[8; 32], packed, BYTES_MAX), None);
        }
    }

    /// Not all who can write into Redis mean well.
    #[test]
    fn a_lie_about_the_length_costs_nothing() {
        let signed = |rest: &[u8]| [&digest(&KEY, rest)[..], rest].concat();
        let (_, data) = compressed(&rows(100)).unwrap();
        for length in [0, 1, u32::try_from(rows(100).len()).unwrap() + 1, u32::MAX] {
            let rest = [&[LZ4][..], &length.to_le_bytes(), &data].concat();
            assert_eq!(unpack(&KEY, signed(&rest), BYTES_MAX), None, "{length}");
        }
        for rest in [
            &[][..],
            &[LZ4],
            &[LZ4, 1, 0, 0, 0],
            &[2, 1],
            &[LZ4, 1, 0, 0, 0, 0xf0, 0xff],
        ] {
            assert_eq!(unpack(&KEY, signed(rest), BYTES_MAX), None, "{rest:?}");
        }
        let blob = rows(100);
        for packed in [pack(&KEY, &blob), pack(&KEY, b"12345")] {
            assert_eq!(unpack(&KEY, packed, 4), None);
        }
    }

    #[test]
    fn a_name_tells_the_version_and_cannot_be_split_by_a_cluster() {
        let name = name(&[0xff; 32]);
        let begin = concat!("weir:", env!("CARGO_PKG_VERSION"), "-1:");
        assert!(name.starts_with(begin) && name.len() == begin.len() + 43, "{name}");
        assert!(!name.contains(['{', '}', ' ']));
    }
}
