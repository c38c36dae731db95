//! What stands behind images with transparency, as people write it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Field;

/// A colour behind images with transparency. Written as `white`, `gray`, `black`, `#rrggbb`, or `dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Background(
    /// Red, green and blue; `None` where transparency is dropped: transparent pixels show the colours that the file hides under them.
    pub Option<[u8; 3]>,
);

/// Colours with a name.
const NAMED: [(&str, [u8; 3]); 4] = [("white", [255; 3]), ("gray", [128; 3]), ("grey", [128; 3]), ("black", [0; 3])];
const DROPPED: &str = "dropped";

impl Background {
    /// The default.
    pub const WHITE: Background = Background(Some([255; 3]));
}

impl Field for Background {}

impl std::str::FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        if text == DROPPED {
            return Ok(Self(None));
        }
        if let Some((_, colour)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self(Some(*colour)));
        }
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match number.map(u32::to_be_bytes) {
            Some([_, red, green, blue]) => Ok(Self(Some([red, green, blue]))),
            None => Err("expected white, gray, black, a colour such as #ff8000, or dropped".to_owned()),
        }
    }
}

impl std::fmt::Display for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(colour) = self.0 else {
            return f.write_str(DROPPED);
        };
        match NAMED.iter().find(|(_, named)| *named == colour) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "#{:02x}{:02x}{:02x}", colour[0], colour[1], colour[2]),
        }
    }
}

impl Serialize for Background {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Background {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Background;

    #[test]
    fn colours_as_people_write_them() {
        for (text, colour, back) in [
            ("white", Some([255; 3]), "white"),
            (" Grey", Some([128; 3]), "gray"),
            ("#FF8000", Some([255, 128, 0]), "#ff8000"),
            ("#000000", Some([0; 3]), "black"),
            ("dropped", None, "dropped"),
        ] {
            let background: Background = text.parse().unwrap();
            assert_eq!((background.0, background.to_string().as_str()), (colour, back));
            assert_eq!(back.parse(), Ok(background));
        }
        for text in ["", "#fff", "#12345g", "red", "255"] {
            assert!(text.parse::<Background>().is_err(), "{text}");
        }
    }
}
