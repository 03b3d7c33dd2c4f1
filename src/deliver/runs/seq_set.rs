//! A set of sequences in two bits' room each where they are dense: a million deliveries take a quarter of a megabyte.

use std::collections::HashMap;

use crate::id::Seq;

/// Sequences of one block.
const BLOCK: u64 = 4_096;

#[derive(Clone, Debug, Default)]
pub(super) struct SeqSet(HashMap<u64, Box<[u64; 64]>>);

impl SeqSet {
    pub(super) fn insert(&mut self, seq: Seq) {
        let (block, word, bit) = place(seq);
        self.0.entry(block).or_insert_with(|| Box::new([0; 64]))[word] |= bit;
    }

    pub(super) fn remove(&mut self, seq: Seq) {
        let (block, word, bit) = place(seq);
        if let Some(block) = self.0.get_mut(&block) {
            block[word] &= !bit;
        }
    }

    pub(super) fn contains(&self, seq: Seq) -> bool {
        let (block, word, bit) = place(seq);
        self.0.get(&block).is_some_and(|block| block[word] & bit != 0)
    }
}

/// Block, word (below 64) and bit of a sequence.
fn place(seq: Seq) -> (u64, usize, u64) {
    let within = seq.0 % BLOCK;
    (seq.0 / BLOCK, usize::try_from(within / 64).unwrap_or(0), 1 << (within % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in() {
        let mut set = SeqSet::default();
        let all = [0, 1, 63, 64, 4_095, 4_096, 1 << 40, u64::MAX].map(Seq);
        for seq in all {
            assert!(!set.contains(seq));
            set.insert(seq);
            assert!(set.contains(seq));
        }
        set.remove(Seq(64));
        set.remove(Seq(1_000_000));
        assert!(!set.contains(Seq(64)) && set.contains(Seq(63)) && !set.contains(Seq(65)));
    }
}
