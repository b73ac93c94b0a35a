//! Time and luck, as arguments.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use countersign_core::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Wall time, for records and expiries.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary origin that never jumps, for windows.
    fn monotonic(&self) -> Duration;
}

/// Draws secrets and ids.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The operating system's random numbers, drawn a few dozen at a time: asking
/// for each alone costs a system call a decision.
#[derive(Debug, Default)]
pub struct SystemEntropy;

/// How many random bytes a thread draws at once.
const DRAWN: usize = 1_024;

thread_local! {
    /// Random bytes that nobody has seen yet.
    static POOL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        POOL.with_borrow_mut(|pool| {
            for chunk in bytes.chunks_mut(DRAWN) {
                if pool.len() < chunk.len() {
                    pool.resize(DRAWN, 0);
                    draw(pool);
                }
                // Taken off the pool: no byte is ever given out twice.
                let from = pool.len() - chunk.len();
                for (byte, drawn) in chunk.iter_mut().zip(pool.drain(from..)) {
                    *byte = drawn;
                }
            }
        });
    }
}

fn draw(bytes: &mut [u8]) {
    if let Err(why) = getrandom::fill(bytes) {
        // Without randomness no id or secret can be made: nothing may go on.
        tracing::error!(%why, "the operating system gives no random numbers");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_random_bytes_are_given_out_twice() {
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let mut bytes = [0; 16];
            SystemEntropy.fill(&mut bytes);
            assert!(seen.insert(bytes));
        }
        let mut long = [0; 5_000];
        SystemEntropy.fill(&mut long);
        assert!(long.chunks(16).all(|chunk| chunk.len() < 16 || seen.insert(chunk.try_into().unwrap())));
    }
}
