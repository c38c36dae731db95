//! FNV-1a of 64 bits (Fowler, Noll, Vo): a fixed function, unlike the standard library's hashers, because its values are kept in
//! files and name streams of random numbers.

/// A hash to which bytes are added.
#[derive(Debug, Clone, Copy)]
pub struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Of some bytes alone.
    pub fn of(bytes: impl IntoIterator<Item = u8>) -> u64 {
        let mut hash = Fnv::default();
        hash.add_bytes(bytes);
        hash.0
    }

    /// Adds bytes.
    pub fn add_bytes(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Adds a text and its end, so that "ab", "c" is not "a", "bc".
    pub fn add(&mut self, text: &str) {
        self.add_bytes(text.bytes().chain([0xff]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_published_function() {
        // From the authors' test vectors.
        assert_eq!(Fnv::of(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv::of(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::of(*b"foobar"), 0x8594_4171_f739_67e8);
        let mut ended = Fnv::default();
        ended.add("a");
        assert_eq!(ended.0, Fnv::of(*b"a\xff"));
    }
}
