//! Text for tests that deflating does not shorten much, the same each time.

/// So many bytes of it.
pub(super) fn noise(bytes: usize) -> String {
    let mut seed = 1u32;
    let next = std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (seed >> 25) as u8 % 89)
    });
    next.take(bytes).collect()
}
