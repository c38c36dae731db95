//! Random damage for tests of parsers.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// A stream of its own for every seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Near an end of `0..n` half of the time: that is where headers and footers are.
    fn place(&mut self, n: usize) -> usize {
        match self.below(4) {
            0 => self.below(n.min(64)),
            1 => n.saturating_sub(1 + self.below(n.min(64))),
            _ => self.below(n),
        }
    }
}

/// A few changes at random: cut, grown, moved, numbers at their limits, single bits and bytes.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.place(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.extend(vec![random.next() as u8; random.below(64)]),
            2 => {
                let end = bytes.len().min(at + random.below(64));
                bytes.drain(at.min(end)..end);
            }
            3 => {
                let end = bytes.len().min(at + random.below(64));
                let block = bytes[at.min(end)..end].to_vec();
                let to = random.place(bytes.len());
                bytes.splice(to..to, block);
            }
            4 => {
                // A number of 1 to 8 bytes, at a limit.
                let limits = [0, 1, 0x7f, 0x80, 0x7fff, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX];
                let number = limits[random.below(limits.len())].to_le_bytes();
                let count = 1 << random.below(4);
                for (byte, new) in bytes.iter_mut().skip(at).zip(&number[..count]) {
                    *byte = *new;
                }
            }
            5 | 6 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
        }
    }
}
