//! Time and luck, as arguments.

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

/// The operating system's random numbers.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(why) = getrandom::fill(bytes) {
            // Without randomness no id or secret can be made: nothing may go on.
            tracing::error!(%why, "the operating system gives no random numbers");
            std::process::abort();
        }
    }
}
