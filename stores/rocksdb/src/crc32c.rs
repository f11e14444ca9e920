//! The checksum of RocksDB's log.

/// CRC-32C, masked the way RocksDB stores it.
pub(crate) fn masked(bytes: &[u8]) -> u32 {
    sum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn sum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mixed = u64::from_le_bytes(word.try_into().expect("chunks of eight")) ^ u64::from(sum);
        sum = (0..8).fold(0, |sum, n| sum ^ TABLES[7 - n][(mixed >> (8 * n)) as usize & 255]);
    }
    for byte in words.remainder() {
        sum = TABLES[0][(sum as usize ^ *byte as usize) & 255] ^ (sum >> 8);
    }
    !sum
}

/// Eight bytes in one step: table `n` is for the byte that `n` more follow.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[n - 1][byte];
            tables[n][byte] = tables[0][(before & 255) as usize] ^ (before >> 8);
            byte += 1;
        }
        n += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_checksum_everybody_computes() {
        assert_eq!(sum(b"123456789"), 0xe306_9283);
        assert_eq!(sum(&[0; 32]), 0x8a91_36aa, "RFC 3720, B.4");
        assert_eq!(sum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(sum(b""), 0);
    }

    #[test]
    fn is_masked_as_rocksdb_does() {
        assert_eq!(masked(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
