//! Time that a test sets, and luck that repeats.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::Timestamp;
use countersign_engine::{Clock, Entropy};

/// A clock that stands still until a test moves it.
pub struct TestClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl TestClock {
    pub fn at(time: &str) -> Self {
        let wall = AtomicI64::new(Timestamp::parse(time).unwrap().as_millis());
        Self { wall, monotonic: AtomicU64::new(1_000_000) }
    }

    /// Lets time pass, on the wall and since the start.
    pub fn pass(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.wall.fetch_add(i64::try_from(millis).unwrap(), Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as an administrator or NTP would.
    pub fn set_wall(&self, to: Timestamp) {
        self.wall.store(to.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

/// Luck that is the same in every run (`SplitMix64`).
pub struct Seeded {
    state: AtomicU64,
    meanwhile: Mutex<Option<Work>>,
}

type Work = Box<dyn FnOnce() + Send>;

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed), meanwhile: Mutex::default() }
    }

    /// Does `work` before the next draw. A check draws its id once it has
    /// gathered its facts, so this happens between facts and record.
    pub fn meanwhile(&self, work: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(work));
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(work) = meanwhile {
            work();
        }
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
        }
    }
}
