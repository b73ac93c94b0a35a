//! Verifying a receipt, which holds its entry.

use anyhow::{Context as _, Result};
use countersign_evidence::entry::Entry;
use countersign_evidence::log::checkpoint::Checkpoint;
use countersign_evidence::log::merkle::leaf_hash;
use countersign_evidence::log::proof::verify_inclusion;
use countersign_evidence::log::receipt::Receipt;
use serde_json::json;

use super::keys::{LogKeys, NO_KEY};
use crate::finding::Finding;

/// Verifies a receipt.
pub fn receipt(bytes: &[u8], keys: &LogKeys) -> Result<Finding> {
    let receipt = Receipt::parse(bytes).context("the file is not a receipt")?;
    let checkpoint = Checkpoint::parse(receipt.checkpoint.text()).context("the receipt's checkpoint is not one")?;
    let (index, origin, size) = (receipt.index, checkpoint.origin().as_str(), checkpoint.head().size);
    if let Err(why) = Entry::read(&receipt.extra) {
        return Ok(Finding::bad_entry(index, format!("the receipt holds no entry: {why}")));
    }
    if let Err(why) = verify_inclusion(&leaf_hash(&receipt.extra), index, &checkpoint.head(), &receipt.proof) {
        return Ok(Finding::bad_entry(index, why.to_string()));
    }
    let found = json!({ "index": index, "origin": origin, "size": size });
    Ok(match keys.open(&receipt.checkpoint) {
        Ok(None) => {
            Finding::unchecked(format!("the entry is in the tree, but not that it is `{origin}`'s: {NO_KEY}"), found)
        }
        Ok(Some(_)) => Finding::holds(format!("entry {index} of `{origin}`, in a tree of {size}, verified"), found),
        Err(why) => Finding::bad_entry(index, format!("the checkpoint is not to be believed: {why}")),
    })
}
