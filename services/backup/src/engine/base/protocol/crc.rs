//! CRC-32C of content that is not read whole. Pure.
//!
//! The sum of a file is that of its pieces, each moved over what lies behind it; so a file of which some pieces are
//! replaced gets its new sum from the old one and those pieces alone.

/// The sum of a piece, as it counts where so many bytes lie behind the piece.
pub(super) fn moved(crc: u32, behind: u64) -> u32 {
    crc32c::crc32c_combine(crc, 0, usize::try_from(behind).unwrap_or(usize::MAX))
}

/// The sum of so many zeros.
pub(super) fn of_zeros(count: u64) -> u32 {
    let (mut sum, mut left) = (0, count);
    let (mut piece, mut bytes) = (crc32c::crc32c(&[0]), 1_u64);
    while left > 0 {
        if left & 1 == 1 {
            sum = moved(sum, bytes) ^ piece;
        }
        left >>= 1;
        piece = moved(piece, bytes) ^ piece;
        bytes = bytes.saturating_mul(2);
    }
    sum
}

/// The sum of something with so many zeros behind it.
pub(super) fn with_zeros(crc: u32, count: u64) -> u32 {
    moved(crc, count) ^ of_zeros(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_that_of_its_moved_pieces() {
        let content: Vec<u8> = (0..10_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let pieces = content.chunks(3_000);
        let mut behind = content.len() as u64;
        let sum = pieces.fold(0, |sum, piece| {
            behind -= piece.len() as u64;
            sum ^ moved(crc32c::crc32c(piece), behind)
        });
        assert_eq!(sum, crc32c::crc32c(&content));
        let mut changed = content.clone();
        changed[4_000..5_000].fill(9);
        let change = crc32c::crc32c(&content[4_000..5_000]) ^ crc32c::crc32c(&changed[4_000..5_000]);
        assert_eq!(sum ^ moved(change, 5_000), crc32c::crc32c(&changed));
    }

    #[test]
    fn zeros_count_as_if_they_were_read() {
        for count in [0, 1, 2, 3, 8_192, 131_072, 1_000_003] {
            assert_eq!(of_zeros(count as u64), crc32c::crc32c(&vec![0; count]), "{count}");
            let read = crc32c::crc32c_append(crc32c::crc32c(b"abc"), &vec![0; count]);
            assert_eq!(with_zeros(crc32c::crc32c(b"abc"), count as u64), read, "{count}");
        }
    }
}
