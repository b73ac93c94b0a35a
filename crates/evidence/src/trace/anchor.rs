//! Anchoring: that a record is in a batch, shown by a receipt.
//!
//! The registry's anchor format v1: a leaf is `SHA-256(0x00 ‖ bytes)` over the
//! [sorted-key ASCII form](super::json::sorted_ascii) of the whole signed
//! record, a node is `SHA-256(0x01 ‖ left ‖ right)`, and an odd node is promoted
//! rather than doubled: RFC 6962's tree, checked as RFC 9162 section 2.1.3.2 says.
//!
//! A receipt proves inclusion under a root. That the root was published, and
//! when, and that the record is true, are other questions.

use countersign_core::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest::TaggedDigest;
use super::json::{self, Refused};
use super::key::PublicKey;

/// A proof that a record is in a batch, in the form `trace-tests` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Which of the batch's records it is, counting from 0.
    pub leaf_index: u64,
    /// The siblings on the way up, from the leaf.
    pub audit_path: Vec<TaggedDigest>,
    /// How many records the batch has.
    pub leaf_count: u64,
    /// The root of the batch.
    pub merkle_root: TaggedDigest,
}

/// Why inclusion is not shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIncluded {
    /// There is no receipt: a `transparency` URI is a pointer, not a proof.
    #[error("no receipt was given: a URI alone does not prove inclusion")]
    NoReceipt,
    /// The receipt is not one.
    #[error("not a receipt: {0}")]
    Malformed(String),
    /// The record has no anchor form.
    #[error("the record has no anchor form: {0}")]
    NoAnchorForm(#[from] Refused),
    /// The receipt leads to another root: another record, or one changed since.
    #[error("the receipt does not lead from this record to its root")]
    OtherRoot,
}

/// Who anchors, as registries know them: `name/1.2.3`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProducerId(String);

/// The text names no producer.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a producer: expected `name/1.2.3`")]
pub struct InvalidProducerId(String);

/// Records that were anchored together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Every level of the tree, leaves first.
    levels: Vec<Vec<Digest>>,
    id: String,
}

impl Receipt {
    /// Reads a receipt. Unknown members are let be, as by the reference.
    pub fn read(receipt: &Value) -> Result<Self, NotIncluded> {
        if receipt.is_null() {
            return Err(NotIncluded::NoReceipt);
        }
        let malformed = |why: &str| NotIncluded::Malformed(why.to_owned());
        let member = |name: &str| receipt.get(name).ok_or_else(|| malformed(&format!("`{name}` is missing")));
        let count = |name: &str| member(name)?.as_u64().ok_or_else(|| malformed(&format!("`{name}` is no count")));
        let digest = |value: &Value| {
            let read = value.as_str().and_then(|text| TaggedDigest::parse(text).ok());
            read.filter(|d| d.as_sha256().is_some()).ok_or_else(|| malformed("a hash is not `sha256:` and 64 digits"))
        };
        let path = member("audit_path")?.as_array().ok_or_else(|| malformed("`audit_path` is not an array"))?;
        Ok(Self {
            leaf_index: count("leaf_index")?,
            audit_path: path.iter().map(digest).collect::<Result<_, _>>()?,
            leaf_count: count("leaf_count")?,
            merkle_root: digest(member("merkle_root")?)?,
        })
    }

    /// Checks that `record` is in the batch this receipt is from.
    pub fn verify(&self, record: &Value) -> Result<(), NotIncluded> {
        let reached = climb(leaf(record)?, self).ok_or(NotIncluded::OtherRoot)?;
        if Some(reached) == self.merkle_root.as_sha256() { Ok(()) } else { Err(NotIncluded::OtherRoot) }
    }
}

impl ProducerId {
    /// Reads a producer id.
    pub fn parse(text: &str) -> Result<Self, InvalidProducerId> {
        let is_word = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
        let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let good = text.split_once('/').is_some_and(|(name, version)| {
            let mut numbers = version.splitn(3, '.');
            let starts = |s: &str, good: fn(&u8) -> bool| s.as_bytes().first().is_some_and(good);
            starts(name, u8::is_ascii_alphanumeric)
                && is_word(name)
                && !name.contains('+')
                && numbers.next().is_some_and(is_number)
                && numbers.next().is_some_and(is_number)
                && numbers.next().is_some_and(|rest| starts(rest, u8::is_ascii_digit) && is_word(rest))
        });
        // Verifiers make a file name of it.
        if good && !text.contains("..") {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidProducerId(text.chars().take(80).collect()))
        }
    }

    /// The name of the file that registers its key.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", self.0.replace('/', "-"))
    }

    /// What that file holds.
    #[must_use]
    pub fn registration(&self, key: &PublicKey, active_since: Timestamp, contact: &str) -> Value {
        json!({
            "producer_id": self.0, "key_type": "Ed25519", "public_key_jwk": key.jwk(),
            "active_since": whole_seconds(active_since), "contact": contact,
        })
    }
}

fn whole_seconds(time: Timestamp) -> String {
    Timestamp::from_millis(time.as_millis().div_euclid(1000) * 1000).to_string().replace(".000Z", "Z")
}

/// The leaf of a record.
pub fn leaf(record: &Value) -> Result<Digest, Refused> {
    Ok(Digest::of_two(&[0], json::sorted_ascii(record)?.as_bytes()))
}

fn parent(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    for (to, from) in bytes.iter_mut().skip(1).zip(left.as_bytes().iter().chain(right.as_bytes())) {
        *to = *from;
    }
    Digest::of(&bytes)
}

/// The root that the receipt's path leads to; `None` if the path does not fit
/// the shape of a tree of that size.
fn climb(leaf: Digest, receipt: &Receipt) -> Option<Digest> {
    if receipt.leaf_index >= receipt.leaf_count {
        return None;
    }
    let (mut index, mut last) = (receipt.leaf_index, receipt.leaf_count - 1);
    let mut reached = leaf;
    for sibling in &receipt.audit_path {
        let sibling = sibling.as_sha256().filter(|_| last > 0)?;
        if index & 1 == 1 || index == last {
            reached = parent(&sibling, &reached);
            // Levels at which the right edge was promoted alone have no sibling.
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            reached = parent(&reached, &sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(reached)
}

impl Batch {
    /// Records to be anchored together; `None` if there are none.
    pub fn new(records: &[Value]) -> Result<Option<Self>, Refused> {
        let mut forms = records.iter().map(json::sorted_ascii).collect::<Result<Vec<_>, _>>()?;
        let leaves = forms.iter().map(|form| Digest::of_two(&[0], form.as_bytes())).collect::<Vec<_>>();
        forms.sort_unstable();
        let id = Digest::of(forms.concat().as_bytes()).to_string().chars().take(16).collect();
        Ok((!leaves.is_empty()).then(|| Self { levels: levels(leaves), id }))
    }

    /// The name of the batch: the same records have the same one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> TaggedDigest {
        self.levels.last().and_then(|level| level.first().copied()).unwrap_or(Digest::ZERO).into()
    }

    /// How many records the batch has.
    fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// The receipt of the record at `index`.
    #[must_use]
    pub fn receipt(&self, index: usize) -> Option<Receipt> {
        let count = Some(self.len()).filter(|count| index < *count)?;
        let siblings = self.levels.iter().enumerate().filter_map(|(height, level)| level.get((index >> height) ^ 1));
        Some(Receipt {
            leaf_index: u64::try_from(index).ok()?,
            audit_path: siblings.map(|digest| TaggedDigest::from(*digest)).collect(),
            leaf_count: u64::try_from(count).ok()?,
            merkle_root: self.root(),
        })
    }

    /// The line a registry publishes for the batch, as `trace-verify` reads it.
    #[must_use]
    pub fn entry(&self, time: Timestamp, producer: &ProducerId) -> Value {
        json!({
            "ts": whole_seconds(time), "merkle_root": self.root(), "leaf_count": self.len(),
            "producer": producer.0, "batch_id": self.id, "canonicalization_id": "sorted-key",
        })
    }
}

/// Every level of the tree over `leaves`.
fn levels(leaves: Vec<Digest>) -> Vec<Vec<Digest>> {
    let mut levels = vec![leaves];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        let pairs = level.chunks(2).map(|pair| match pair {
            [left, right] => parent(left, right),
            odd => odd.first().copied().unwrap_or(Digest::ZERO),
        });
        levels.push(pairs.collect());
    }
    levels
}
