//! A small generator, so that things happen at different moments in each round
//! and at the same in each run.

pub struct Luck(u64);

impl Default for Luck {
    fn default() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }
}

impl Luck {
    /// A number from zero up to `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
