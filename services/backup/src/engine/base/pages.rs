//! Pages of PostgreSQL: whether one is what the server wrote. Pure.

/// The size of a page.
pub(crate) const PAGE_BYTES: usize = 8192;
/// So many pages are in one file of a relation.
pub(crate) const PAGES_PER_FILE: u32 = 131_072;

const LANES: usize = 32;
const PRIME: u32 = 16_777_619;
/// Where each lane begins, as the server has it.
const OFFSETS: [u32; LANES] = [
    0x5B1F_36E9,
    0xB852_5960,
    0x02AB_50AA,
    0x1DE6_6D2A,
    0x79FF_467A,
    0x9BB9_F8A3,
    0x217E_7CD2,
    0x83E1_3D2C,
    0xF8D4_474F,
    0xE39E_B970,
    0x42C6_AE16,
    0x9932_16FA,
    0x7B09_3B5D,
    0x98DA_FF3C,
    0xF718_902A,
    0x0B1C_9CDB,
    0xE58F_764B,
    0x1876_36BC,
    0x5D7B_3BB1,
    0xE73D_E7DE,
    0x92BE_C979,
    0xCCA6_C0B2,
    0x304A_0979,
    0x85AA_43D4,
    0x7831_25BB,
    0x6CA8_EAA2,
    0xE407_EAC6,
    0x4B5C_FC3E,
    0x9FBF_8C76,
    0x15CA_20BE,
    0xF2CA_9FD3,
    0x959B_D756,
];

/// Whether a page can be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its checksum fits, or it is new.
    Sound,
    /// It was written after the backup began, perhaps in the middle of being read: the log brings the whole of it.
    Young,
    /// Its checksum does not fit.
    Broken,
}

/// Judges a page by its number in the relation. `since`: where the backup began; log from there on brings every page
/// that was changed later.
pub(crate) fn judge(page: &[u8; PAGE_BYTES], block: u32, since: u64) -> Verdict {
    if is_new(page) {
        return Verdict::Sound;
    }
    if lsn(page) >= since {
        return Verdict::Young;
    }
    if stored(page) == checksum(page, block) {
        Verdict::Sound
    } else {
        Verdict::Broken
    }
}

/// A page that was added and not yet used says so with `pd_upper`; its bytes are not judged unless some are set.
fn is_new(page: &[u8; PAGE_BYTES]) -> bool {
    let [.., upper_low, upper_high] = *page.first_chunk::<16>().unwrap_or(&[0; 16]);
    (upper_low, upper_high) == (0, 0) && page.iter().all(|byte| *byte == 0)
}

/// The position of the last change of a page.
fn lsn(page: &[u8; PAGE_BYTES]) -> u64 {
    let [a, b, c, d, e, f, g, h] = *page.first_chunk::<8>().unwrap_or(&[0; 8]);
    u64::from(u32::from_ne_bytes([a, b, c, d])) << 32 | u64::from(u32::from_ne_bytes([e, f, g, h]))
}

fn stored(page: &[u8; PAGE_BYTES]) -> u16 {
    let [.., low, high] = *page.first_chunk::<10>().unwrap_or(&[0; 10]);
    u16::from_ne_bytes([low, high])
}

/// The checksum that a page with this number ought to have.
pub(crate) fn checksum(page: &[u8; PAGE_BYTES], block: u32) -> u16 {
    let mut sums = OFFSETS;
    let (rows, _) = page.as_chunks::<{ LANES * 4 }>();
    let mut rows = rows.iter();
    if let Some(first) = rows.next() {
        let mut first = *first;
        // The checksum itself counts as zero.
        if let Some(field) = first.get_mut(8..10) {
            field.fill(0);
        }
        mix(&mut sums, &first);
    }
    rows.for_each(|row| mix(&mut sums, row));
    let zeros = [0; LANES * 4];
    mix(&mut sums, &zeros);
    mix(&mut sums, &zeros);
    let sum = sums.iter().fold(0, |all, sum| all ^ sum) ^ block;
    // Never zero, so that zero can say that there is none.
    u16::try_from(sum % 65_535 + 1).unwrap_or(u16::MAX)
}

/// Written so that the compiler makes one instruction of several lanes.
fn mix(sums: &mut [u32; LANES], row: &[u8; LANES * 4]) {
    let (words, _) = row.as_chunks::<4>();
    for (sum, word) in sums.iter_mut().zip(words) {
        let mixed = *sum ^ u32::from_ne_bytes(*word);
        *sum = mixed.wrapping_mul(PRIME) ^ (mixed >> 17);
    }
}

/// Of a path in a data directory: the number of its first page, if it is a file of pages.
pub(crate) fn first_block(path: &str) -> Option<u32> {
    let name = path.rsplit('/').next()?;
    let is_there = ["base/", "global/", "pg_tblspc/"]
        .iter()
        .any(|root| path.starts_with(root));
    if !is_there || !name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (relation, segment) = name.split_once('.').unwrap_or((name, "0"));
    let (number, fork) = relation.split_once('_').unwrap_or((relation, ""));
    number.parse::<u32>().ok()?;
    matches!(fork, "" | "fsm" | "vm" | "init").then_some(())?;
    segment.parse::<u32>().ok()?.checked_mul(PAGES_PER_FILE)
}

/// Judges the pages of a piece of a file; calls `broken` with the number of each that does not fit.
pub(crate) fn judge_all(content: &[u8], first: u32, since: u64, mut broken: impl FnMut(u32)) {
    let (pages, _) = content.as_chunks::<PAGE_BYTES>();
    for (block, page) in (first..).zip(pages) {
        if judge(page, block, since) == Verdict::Broken {
            broken(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_pages_are_known_by_their_names() {
        assert_eq!(first_block("base/5/16384"), Some(0));
        assert_eq!(first_block("base/5/16384.2"), Some(2 * PAGES_PER_FILE));
        assert_eq!(first_block("base/5/16384_fsm"), Some(0));
        assert_eq!(first_block("pg_tblspc/16390/PG_15_202209061/5/1_init"), Some(0));
        for other in [
            "base/5/pg_filenode.map",
            "base/5/PG_VERSION",
            "global/pg_control",
            "pg_xact/0000",
            "base/5/t3_16384",
            "base/5/16384_x",
            "base/5/16384.x",
        ] {
            assert_eq!(first_block(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn pages_of_a_real_server_are_sound_until_one_bit_is_changed() {
        let postgres = weir_testkit::PostgresOptions::new().checksums().start().await;
        assert_eq!(postgres.psql("postgres", "show data_checksums").await, "on");
        let rows = "select g, repeat('x', g % 900) from generate_series(1, 20000) g";
        let made = format!("create table t as {rows}; create index on t (g); checkpoint");
        postgres.psql("postgres", &made).await;
        let relative = postgres.psql("postgres", "select pg_relation_filepath('t')").await;
        let content = std::fs::read(postgres.data_dir().join(relative)).unwrap();
        let (pages, rest) = content.as_chunks::<PAGE_BYTES>();
        assert!(rest.is_empty() && pages.len() > 100);
        for (block, page) in (0..).zip(pages) {
            let mut page = *page;
            assert_eq!(judge(&page, block, u64::MAX), Verdict::Sound, "block {block}");
            assert_eq!(judge(&page, block + 1, u64::MAX), Verdict::Broken, "in another's place");
            assert_eq!(judge(&page, block, 0), Verdict::Young);
            page[4000] ^= 1;
            assert_eq!(judge(&page, block, u64::MAX), Verdict::Broken);
        }
    }
}
