//! The frame of a message in a file of TensorBoard, that of TensorFlow's records: its length and its bytes, a checksum behind each.

use crc::{CRC_32_ISCSI, Crc};

const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Appends a message.
pub fn append(file: &mut Vec<u8>, message: &[u8]) {
    let length = (message.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(checksum(&length));
    file.extend_from_slice(message);
    file.extend(checksum(message));
}

/// CRC-32C, masked so that a file of records in a record has no checksums of checksums.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The messages of a file; what follows a damaged one is left out, as TensorBoard does.
#[cfg(test)]
pub fn messages(mut file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk::<8>() {
        let size = u64::from_le_bytes(*length) as usize;
        let Some(message) = rest.get(4..4usize.saturating_add(size)) else { break };
        let mut again = Vec::new();
        append(&mut again, message);
        if !file.starts_with(&again) {
            break;
        }
        found.push(message);
        file = &file[again.len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::train::tensorboard::proto::Event;

    /// A file that TensorBoard's own writer has made, of all messages that are written here.
    #[test]
    fn records_are_those_of_tensorboard() -> Result<(), Box<dyn std::error::Error>> {
        let theirs = include_bytes!("../../../tests/data/tensorboard/events.out.tfevents.1");
        let messages = messages(theirs);
        assert_eq!(messages.len(), 4);
        let mut ours = Vec::new();
        for message in messages {
            append(&mut ours, &Event::decode(message)?.encode_to_vec());
        }
        assert_eq!(ours, theirs);
        Ok(())
    }
}
