//! How often something may happen: a token bucket as one number.
//!
//! The state is the *theoretical arrival time* of the generic cell rate
//! algorithm (ITU-T I.371): the moment at which the bucket would be full again.

use std::time::Duration;

/// A rate: `per_minute` on average, and a minute's worth at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many a minute, on average. Zero means without limit.
    pub per_minute: u32,
}

/// When a bucket is full again, as time since an arbitrary monotonic origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket(Duration);

impl Bucket {
    /// Takes one from the bucket at `now`. A minute's worth may go at once.
    ///
    /// `Err` holds how long until one can be taken; the bucket is unchanged.
    pub fn take(self, rate: Rate, now: Duration) -> Result<Self, Duration> {
        let minute = Duration::from_mins(1);
        let Some(interval) = minute.checked_div(rate.per_minute) else {
            return Ok(self);
        };
        let full_at = self.0.max(now) + interval;
        let latest = now + minute;
        if full_at > latest { Err(full_at.saturating_sub(latest)) } else { Ok(Self(full_at)) }
    }

    /// Whether the bucket is full at `now`, so that forgetting it loses nothing.
    #[must_use]
    pub fn is_full(self, now: Duration) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Rate = Rate { per_minute: 10 };

    #[test]
    fn a_minute_of_calls_may_come_at_once_and_then_one_per_interval() {
        let now = Duration::from_secs(100);
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            bucket = bucket.take(TEN, now).unwrap();
        }
        assert_eq!(bucket.take(TEN, now), Err(Duration::from_secs(6)));
        assert!(bucket.take(TEN, now + Duration::from_secs(6)).is_ok());
    }

    #[test]
    fn zero_is_without_limit() {
        let bucket = Bucket::default();
        assert_eq!(bucket.take(Rate { per_minute: 0 }, Duration::ZERO), Ok(bucket));
    }

    proptest! {
        #[test]
        fn no_window_of_a_minute_admits_more_than_twice_the_rate(gaps in prop::collection::vec(0u64..5_000, 1..200)) {
            let (mut bucket, mut now, mut taken) = (Bucket::default(), Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Ok(next) = bucket.take(TEN, now) {
                    bucket = next;
                    taken.push(now);
                }
            }
            for start in &taken {
                let within = taken.iter().filter(|t| *t >= start && **t < *start + Duration::from_mins(1)).count();
                prop_assert!(within <= 20);
            }
        }
    }
}
