//! Sizes of memory as people write them.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest first, so that a size is shown in the largest unit that divides it.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Bytes that a run may take of the device's memory, or no limit. Written as `4GiB`, `1.5GiB`, `512MiB`, `6GB` or `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryLimit(pub Option<u64>);

impl std::str::FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "expected a size such as 4GiB or 512MiB, or none".to_owned();
        let text = text.trim();
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        let lower = text.to_ascii_lowercase();
        let unit = |(name, bytes): (&str, u64)| {
            let number = lower.strip_suffix(&name.to_ascii_lowercase())?;
            Some((number.trim_end().to_owned(), bytes))
        };
        let (number, unit) = UNITS.into_iter().find_map(unit).ok_or_else(wanted)?;
        let number: f64 = number.parse().map_err(|_| wanted())?;
        let bytes = number * unit as f64;
        // The lower bound keeps out zero, negative numbers and no number.
        match bytes >= 1.0 && bytes < u64::MAX as f64 {
            true => Ok(Self(Some(bytes as u64))),
            false => Err(wanted()),
        }
    }
}

impl std::fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(bytes) = self.0 else {
            return f.write_str("none");
        };
        let exact = |(_, unit): &&(&str, u64)| bytes.is_multiple_of(*unit);
        // The last unit is one byte.
        let (name, unit) = UNITS.iter().find(exact).unwrap_or(&("B", 1));
        write!(f, "{}{name}", bytes / unit)
    }
}

impl Serialize for MemoryLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MemoryLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryLimit;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes, back) in [
            ("4GiB", Some(4 << 30), "4GiB"),
            (" 1.5 gib ", Some(3 << 29), "1536MiB"),
            ("512MiB", Some(512 << 20), "512MiB"),
            ("6GB", Some(6_000_000_000), "6GB"),
            ("1000001B", Some(1_000_001), "1000001B"),
            ("none", None, "none"),
        ] {
            let limit: MemoryLimit = text.parse().unwrap();
            assert_eq!((limit.0, limit.to_string().as_str()), (bytes, back));
            assert_eq!(back.parse(), Ok(limit));
        }
        for text in ["", "4", "GiB", "-1GiB", "0MiB", "nanGiB", "infGiB", "4 apples", "1e30TiB"] {
            assert!(text.parse::<MemoryLimit>().is_err(), "{text}");
        }
    }
}
