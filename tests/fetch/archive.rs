//! Archives for the tests of fetching, good ones and bad ones.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// A member of an archive: kind, name, target of a link, claimed size, bytes.
pub struct Member {
    pub kind: EntryType,
    pub name: &'static str,
    pub link: &'static str,
    pub size: u64,
    pub bytes: Vec<u8>,
}

pub fn file(name: &'static str, bytes: &[u8]) -> Member {
    Member { kind: EntryType::Regular, name, link: "", size: bytes.len() as u64, bytes: bytes.to_vec() }
}

pub fn special(kind: EntryType, name: &'static str, link: &'static str) -> Member {
    Member { kind, name, link, size: 0, bytes: Vec::new() }
}

/// A gzipped tar archive. Names are written as they are: the crate's own functions refuse the bad ones.
pub fn pack(members: &[Member]) -> io::Result<Vec<u8>> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    for member in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(member.kind);
        header.set_mode(0o644);
        header.set_size(member.size);
        let old = header.as_old_mut();
        old.name[..member.name.len()].copy_from_slice(member.name.as_bytes());
        old.linkname[..member.link.len()].copy_from_slice(member.link.as_bytes());
        header.set_cksum();
        gz.write_all(header.as_bytes())?;
        gz.write_all(&member.bytes)?;
        let padding = member.bytes.len().next_multiple_of(512) - member.bytes.len();
        gz.write_all(&[0; 512][..padding])?;
    }
    gz.write_all(&[0; 1024])?;
    gz.finish()
}

/// Bytes that do not compress, always the same (Marsaglia's xorshift).
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
