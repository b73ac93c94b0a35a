//! A moment, as the REST API spells it.

use countersign_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// A moment in UTC. Any RFC 3339 text is read, to the millisecond; what is
/// printed always has three fractional digits and a `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-21T08:00:00.000Z")]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_that_published_clients_send_is_read() {
        for text in
            ["2026-01-02T03:04:05.123456789+00:00", "2026-01-02T03:04:05.123Z", "2026-01-02T05:04:05.1234+02:00"]
        {
            let time: Time = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-01-02T03:04:05.123Z\"");
        }
        assert!(serde_json::from_str::<Time>("\"2026-01-02\"").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(millis in 0i64..253_402_300_800_000) {
            let time = Time(Timestamp::from_millis(millis));
            prop_assert_eq!(serde_json::from_str::<Time>(&serde_json::to_string(&time).unwrap()).unwrap(), time);
        }
    }
}
