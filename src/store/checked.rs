//! Small JSON files that say whether they are whole: a field `sum` holds the CRC-32 of the rest.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::partition::write_durably;

/// Name of the field.
const SUM: &str = "sum";

/// What stands in such a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<T> {
    Whole(T),
    Missing,
    Damaged,
}

impl<T> Content<T> {
    /// What was read, if it is whole.
    pub(super) fn whole(self) -> Option<T> {
        match self {
            Self::Whole(value) => Some(value),
            Self::Missing | Self::Damaged => None,
        }
    }
}

/// Reads a file; one without a sum was written by an older version.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Content<T> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Content::Missing,
        Err(_) => return Content::Damaged,
    };
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(&bytes) else { return Content::Damaged };
    if fields.remove(SUM).is_some_and(|had| had != sum(&fields)) {
        return Content::Damaged;
    }
    serde_json::from_value(Value::Object(fields)).map_or(Content::Damaged, Content::Whole)
}

/// Writes a file durably; `value` must be a table.
pub(super) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_value(value)?;
    if let Value::Object(fields) = &mut json {
        let sum = sum(fields);
        fields.insert(SUM.to_owned(), sum);
    }
    write_durably(path, json.to_string().as_bytes())
}

fn sum(fields: &Map<String, Value>) -> Value {
    crc32fast::hash(&serde_json::to_vec(fields).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = std::collections::BTreeMap<String, u64>;

    #[test]
    fn a_changed_digit_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("small");
        assert_eq!(read::<Pairs>(&path), Content::Missing);
        let value = Pairs::from([("count".to_owned(), 57), ("last".to_owned(), 90)]);
        write(&path, &value).unwrap();
        assert_eq!(read(&path), Content::Whole(value.clone()));
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [text.replace("57", "58"), text.replace("count", "kount"), text[..9].to_owned(), String::new()] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(read::<Pairs>(&path), Content::Damaged);
        }
        fs::write(&path, r#"{"count":57,"last":90}"#).unwrap();
        assert_eq!(read(&path), Content::Whole(value), "of an older version");
    }
}
