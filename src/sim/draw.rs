//! Chance without a stream: every draw is a hash of seed and subject, so that the order in which requests arrive can't change it; it must never hold state.

/// A well mixed number from a seed and the parts that name what is drawn.
pub fn hash(seed: u64, parts: &[u64]) -> u64 {
    let mut state = mix(seed ^ 0x9e37_79b9_7f4a_7c15);
    for part in parts {
        state = mix(state ^ part.wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(23));
    }
    state
}

/// The number that stands for a text among the parts of [`hash`].
pub fn text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A draw as a share, 0 inclusive to 1 exclusive.
pub fn share(hash: u64) -> f64 {
    f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / 4_294_967_296.0
}

/// An index below `len`, or 0 when there is nothing to choose from.
pub fn index(hash: u64, len: usize) -> usize {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    hash.checked_rem(len)
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or(0)
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_spread_and_repeatable() {
        let below = (0..10_000u64)
            .filter(|n| share(hash(7, &[*n, 1])) < 0.25)
            .count();
        assert!((2_300..2_700).contains(&below), "{below}");
        assert_eq!(hash(7, &[1, 2]), hash(7, &[1, 2]));
        assert_ne!(hash(7, &[1, 2]), hash(7, &[2, 1]));
        assert_ne!(hash(7, &[1, 2]), hash(8, &[1, 2]));
        assert_eq!(index(5, 0), 0);
    }
}
