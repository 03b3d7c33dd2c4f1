//! Documents that clients name by their hash (automatic persisted queries: Apollo's protocol, `extensions.persistedQuery`).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Documents remembered.
const MAX_DOCUMENTS: usize = 1_000;
/// Bytes of all documents remembered.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Documents seen with their hash. Clones share them. What was not used for longest leaves first.
#[derive(Clone, Default)]
pub struct PersistedDocuments(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    by_hash: HashMap<String, (u64, Arc<str>)>,
    /// Hashes by when they were used last.
    by_use: BTreeMap<u64, String>,
    uses: u64,
    bytes: usize,
}

impl PersistedDocuments {
    /// Remembers a document under its SHA-256 in hex. False: it is too large, or the hash is another text's, which a visitor
    /// may have made up.
    pub fn learn(&self, hash: &str, text: &str) -> bool {
        let hash = hash.to_ascii_lowercase();
        if text.len() > MAX_BYTES / 4 || hex(&Sha256::digest(text.as_bytes())) != hash {
            return false;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.touch(&hash, Some(text));
        while known.by_hash.len() > MAX_DOCUMENTS || known.bytes > MAX_BYTES {
            known.drop_oldest();
        }
        true
    }

    /// The document of a hash.
    pub fn get(&self, hash: &str) -> Option<Arc<str>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.touch(&hash.to_ascii_lowercase(), None)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_hash.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Known {
    /// Marks a document as used now, after adding it if it is new.
    fn touch(&mut self, hash: &str, text: Option<&str>) -> Option<Arc<str>> {
        self.uses += 1;
        if let Some((used, text)) = self.by_hash.get_mut(hash) {
            let key = self.by_use.remove(used);
            *used = self.uses;
            self.by_use.insert(self.uses, key.unwrap_or_else(|| hash.to_owned()));
            return Some(text.clone());
        }
        let text: Arc<str> = text?.into();
        self.bytes += text.len();
        self.by_use.insert(self.uses, hash.to_owned());
        self.by_hash.insert(hash.to_owned(), (self.uses, text.clone()));
        Some(text)
    }

    fn drop_oldest(&mut self) {
        let oldest = self.by_use.pop_first().and_then(|(_, hash)| self.by_hash.remove(&hash));
        self.bytes = self.bytes.saturating_sub(oldest.map_or(0, |(_, text)| text.len()));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

impl fmt::Debug for PersistedDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersistedDocuments({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        hex(&Sha256::digest(text.as_bytes()))
    }

    #[test]
    fn only_what_has_its_hash_is_kept() {
        let documents = PersistedDocuments::default();
        // `printf '{__typename}' | sha256sum`, the example of Apollo's manual.
        let known = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
        assert!(documents.learn(&known.to_ascii_uppercase(), "{__typename}"));
        assert!(!documents.learn(known, "{other}") && !documents.learn("", "{a}"));
        assert_eq!(documents.get(known).as_deref(), Some("{__typename}"));
        assert_eq!((documents.get("x"), documents.len()), (None, 1));
    }

    #[test]
    fn what_was_not_used_for_longest_leaves() {
        let documents = PersistedDocuments::default();
        let text = |n: usize| format!("{{a{n}}}");
        for n in 0..MAX_DOCUMENTS {
            assert!(documents.learn(&hash(&text(n)), &text(n)));
        }
        assert!(documents.get(&hash(&text(0))).is_some());
        assert!(documents.learn(&hash("{b}"), "{b}"));
        assert_eq!(documents.len(), MAX_DOCUMENTS);
        assert!(documents.get(&hash(&text(0))).is_some() && documents.get(&hash(&text(1))).is_none());
        for n in 0..8 {
            let large = format!("{{a{n}{}}}", " ".repeat(MAX_BYTES / 4 - 10));
            assert!(documents.learn(&hash(&large), &large));
        }
        assert_eq!(documents.len(), 4);
        let huge = " ".repeat(MAX_BYTES);
        assert!(!documents.learn(&hash(&huge), &huge));
    }
}
