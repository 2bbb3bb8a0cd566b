//! The random numbers of NumPy's `RandomState`, by which other tools draw subsets.

const WORDS: usize = 624;
const DISTANCE: usize = 397;

/// The generator of `numpy.random.RandomState(seed)`: MT19937 (Matsumoto and Nishimura, 1998), with NumPy's rules for
/// permutations, which its compatibility policy has frozen.
///
/// It exists to draw the subsets that other tools draw. Everything that has no such model uses `svg_store::Random`.
///
/// ```
/// use svg_eval::NumpyRandom;
///
/// // numpy.random.RandomState(2020).permutation(5)
/// assert_eq!(NumpyRandom::new(2020).permutation(5), [3, 1, 2, 4, 0]);
/// ```
#[derive(Clone, Debug)]
pub struct NumpyRandom {
    state: [u32; WORDS],
    next: usize,
}

impl NumpyRandom {
    /// `RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for at in 1..WORDS {
            let before = state[at - 1];
            let mixed = (before ^ (before >> 30)).wrapping_mul(1_812_433_253);
            state[at] = mixed.wrapping_add(at as u32);
        }
        Self { state, next: WORDS }
    }

    /// A uniform 32-bit integer.
    pub fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.renew();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn renew(&mut self) {
        for at in 0..WORDS {
            let following = self.state[(at + 1) % WORDS];
            let joined = (self.state[at] & 0x8000_0000) | (following & 0x7fff_ffff);
            let twisted = (joined >> 1) ^ (0x9908_b0df * (joined & 1));
            self.state[at] = self.state[(at + DISTANCE) % WORDS] ^ twisted;
        }
        self.next = 0;
    }

    /// A uniform integer up to `highest` inclusive: masked words, until one is not above it.
    fn up_to(&mut self, highest: u32) -> u32 {
        let mask = match highest {
            0 => return 0,
            _ => u32::MAX >> highest.leading_zeros(),
        };
        loop {
            let word = self.word() & mask;
            if word <= highest {
                return word;
            }
        }
    }

    /// `permutation(count)`: the numbers below `count`, shuffled.
    ///
    /// # Panics
    ///
    /// If the count exceeds 2^32.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let highest = u32::try_from(last).expect("at most 2^32 numbers");
            numbers.swap(last, self.up_to(highest) as usize);
        }
        numbers
    }

    /// `choice(count, size, replace=False)`: the first of a permutation.
    ///
    /// # Panics
    ///
    /// If there are fewer numbers than are to be chosen.
    pub fn choice(&mut self, count: usize, size: usize) -> Vec<usize> {
        assert!(size <= count, "{size} of {count} numbers cannot be chosen");
        let mut chosen = self.permutation(count);
        chosen.truncate(size);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NumPy 2.4.6: `RandomState(seed).randint(0, 2**32, 3, dtype=np.uint32)` after `skip` of them.
    #[test]
    fn words_equal_numpys() {
        let words = |seed, skip: usize| {
            let mut random = NumpyRandom::new(seed);
            (0..skip).for_each(|_| _ = random.word());
            [random.word(), random.word(), random.word()]
        };
        assert_eq!(words(0, 0), [2357136044, 2546248239, 3071714933]);
        assert_eq!(words(2020, 0), [4236026720, 639299976, 3751189827]);
        assert_eq!(words(2020, 700), [3488712537, 2802721501, 3707022969]);
        assert_eq!(words(u32::MAX, 1), [479346978, 3918654476, 2416749639]);
    }

    #[test]
    fn permutations_and_choices_equal_numpys() {
        let mut random = NumpyRandom::new(2020);
        assert_eq!(random.permutation(10), [2, 4, 9, 1, 5, 7, 6, 3, 8, 0]);
        assert_eq!(random.choice(1000, 5), [358, 763, 430, 530, 677]);
        assert_eq!(random.permutation(1), [0]);
        assert_eq!(random.permutation(7), [4, 1, 2, 3, 5, 6, 0]);
        let long = NumpyRandom::new(7).permutation(70_001);
        assert_eq!(long[..4], [43873, 21296, 55281, 10761]);
        assert_eq!(long[69_998..], [49689, 58564, 61615]);
    }

    #[test]
    #[should_panic(expected = "4 of 3 numbers cannot be chosen")]
    fn more_than_there_are_panics() {
        NumpyRandom::new(0).choice(3, 4);
    }
}
