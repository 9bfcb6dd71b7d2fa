//! Results as gateways share them: what they are called, and how they are written down. Pure.
//!
//! A name says everything that a result depends on besides the data, in words that every process understands. Whether a
//! result is valid, each gateway finds out by itself.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::entry::Body;
use super::key::Asker;
use crate::profile::{Profile, Setting};

/// The form in which results are written down. Another one is another name, so that two versions never meet.
const FORM: u8 = 2;
/// More buckets than any result has.
const BUCKETS_MAX: usize = 65_536;

/// The name of a result.
pub(crate) type Name = [u8; 32];

/// A result as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) epoch: String,
    /// Every commit up to here was visible to whoever produced it, and none beyond `upper`.
    pub(crate) stamp: u64,
    pub(crate) upper: u64,
    /// Under which roles, rights and settings it was read.
    pub(crate) rights: u64,
    pub(crate) buckets: Box<[u32]>,

    pub(crate) body: Body,
}

/// The name of what this asker is answered in a session that looks like this.
pub(crate) fn name<'p>(asker: &Asker, profile: &Profile, kind: u8, parts: impl IntoIterator<Item = &'p [u8]>) -> Name {
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    put(&[FORM, kind]);
    put(asker.view.database.as_bytes());
    put(asker.project.as_str().as_bytes());
    put(asker.user.as_bytes());
    for (name, setting) in profile.all() {
        put(name.as_bytes());
        match &setting {
            Setting::Value(value) => {
                put(b"=");
                put(value.as_bytes());
            }
            Setting::Statement(text) => {
                put(b";");
                put(text.as_bytes());
            }
        }
    }
    put(b"");
    parts.into_iter().for_each(put);
    *hasher.finalize().as_bytes()
}

impl Written {
    pub(crate) fn write(&self) -> Bytes {
        let body = &self.body;
        let mut out = BytesMut::with_capacity(128 + body.description.len() + body.rows.len() + self.buckets.len() * 4);
        out.put_u8(FORM);
        put_sized(&mut out, self.epoch.as_bytes());
        out.put_u64(self.stamp);
        out.put_u64(self.upper);
        out.put_u64(self.rights);

        out.put_u32(u32::try_from(self.buckets.len()).unwrap_or(u32::MAX));
        self.buckets.iter().for_each(|bucket| out.put_u32(*bucket));
        out.put_u64(body.count);
        put_sized(&mut out, &body.description);
        out.put_slice(&body.rows);
        out.freeze()
    }

    /// Reads what another gateway wrote; none where it is not that.
    pub(crate) fn read(mut blob: Bytes) -> Option<Self> {
        if blob.try_get_u8().ok()? != FORM {
            return None;
        }
        let epoch = String::from_utf8(take_sized(&mut blob)?.to_vec()).ok()?;
        let stamp = blob.try_get_u64().ok()?;
        let upper = blob.try_get_u64().ok()?;
        let rights = blob.try_get_u64().ok()?;

        let count = usize::try_from(blob.try_get_u32().ok()?).ok()?;
        if count > BUCKETS_MAX || blob.len() < count * 4 {
            return None;
        }
        let buckets = (0..count).map(|_| blob.get_u32()).collect();
        let count = blob.try_get_u64().ok()?;
        let description = take_sized(&mut blob)?;
        Some(Self {
            epoch,
            stamp,
            upper,
            rights,
            buckets,
            body: Body {
                description,
                rows: blob,
                count,
            },
        })
    }
}

fn put_sized(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn take_sized(blob: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(blob.try_get_u32().ok()?).ok()?;
    (blob.len() >= length).then(|| blob.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Written {
        Written {
            epoch: "7/1/2/x".to_owned(),
            stamp: 5,
            upper: 9,
            rights: 11,
            buckets: [1, 2, 1 << 19].into(),

            body: Body {
                description: Bytes::from_static(b"T...."),
                rows: Bytes::from_static(b"D....C...."),
                count: 1,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let blob = written().write();
        assert_eq!(Written::read(blob.clone()), Some(written()));
        let rows = blob.len() - 10;
        for cut in 0..rows {
            assert_eq!(Written::read(blob.slice(..cut)), None, "cut at {cut}");
        }
        let mut other = blob.to_vec();
        other[0] = FORM + 1;
        assert_eq!(Written::read(other.into()), None);
    }
}
