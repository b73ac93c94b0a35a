//! What the files of a server hold after it is gone, read as a stranger would.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use countersign_evidence::entry::Entry;
use countersign_evidence::log::checkpoint::Trust;
use countersign_evidence::log::merkle::{Frontier, TreeHead, leaf_hash};
use countersign_evidence::log::note::{Note, VerifierKey};
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::verify::Verifier;
use countersign_store::{Ledger as _, SqliteStore};
use serde_json::Value;

/// The record of one data directory, read again after each end of its server.
#[derive(Default)]
pub struct Record {
    verifier: Verifier,
    tree: Frontier,
    decisions: HashMap<String, u64>,
    /// The tree after each entry.
    heads: Vec<TreeHead>,
    /// Trees that were signed, and are larger than what was read so far.
    ahead: BTreeMap<u64, TreeHead>,
    trust: Option<Trust>,
}

impl Record {
    /// Reads what was appended. Every entry must verify, and every tree that was
    /// seen be one of this record's own.
    pub fn read_on(&mut self, data: &Path) {
        let store = SqliteStore::open_read_only(&data.join("countersign.db")).unwrap();
        loop {
            let entries = store.read(self.verifier.entries(), 1_000).unwrap();
            if entries.is_empty() {
                break;
            }
            for bytes in entries {
                self.verifier.push(&bytes).unwrap_or_else(|bad| panic!("the record does not verify: {bad}"));
                self.note_decision(&bytes);
                self.tree.append(leaf_hash(&bytes));
                let head = self.tree.head();
                if let Some(signed) = self.ahead.remove(&head.size) {
                    assert_eq!(signed, head, "the record is not the one that was published");
                }
                self.heads.push(head);
            }
        }
        let lost = self.ahead.last_key_value().map(|(size, _)| size);
        assert_eq!(lost, None, "more was published than the {} entries that are there", self.entries());
    }

    fn note_decision(&mut self, bytes: &[u8]) {
        let entry = Entry::read(bytes).unwrap();
        if entry.kind == "decision" {
            let event: Value = serde_json::from_str(entry.event.get()).unwrap();
            self.decisions.insert(event["id"].as_str().unwrap().to_owned(), self.tree.size());
        }
    }

    pub fn entries(&self) -> u64 {
        self.verifier.entries()
    }

    pub fn holds(&self, decision: &str) -> bool {
        self.decisions.contains_key(decision)
    }

    pub fn decisions(&self) -> HashSet<String> {
        self.decisions.keys().cloned().collect()
    }

    /// Believes the log's own key, which never changes.
    pub fn trust(&mut self, line: &str) {
        let trust = Trust::in_key(VerifierKey::parse(line.trim()).unwrap());
        if let Some(before) = &self.trust {
            assert_eq!(before.origin(), trust.origin(), "the log is another one");
        }
        self.trust = Some(trust);
    }

    /// Checks that a checkpoint is signed and over this record, as far as it was
    /// read; the next reading checks the rest. Returns its size.
    pub fn saw(&mut self, checkpoint: &str) -> u64 {
        let note = Note::parse(checkpoint.as_bytes()).unwrap();
        let opened = self.trust.as_ref().unwrap().open(&note).unwrap_or_else(|why| panic!("{why}: {checkpoint}"));
        let head = opened.checkpoint.head();
        let known = usize::try_from(head.size - 1).ok().and_then(|last| self.heads.get(last));
        let before = known.copied().or_else(|| self.ahead.insert(head.size, head));
        assert_eq!(before.unwrap_or(head), head, "a tree was signed that is not this record's");
        head.size
    }

    /// Checks a receipt, remembers its tree, and returns the decision it is of.
    pub fn checked(&mut self, receipt: &str) -> String {
        let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
        let trust = self.trust.as_ref().unwrap();
        receipt.verify(&receipt.extra, trust).unwrap_or_else(|why| panic!("a receipt does not verify: {why}"));
        self.saw(&receipt.checkpoint.to_string());
        let entry = Entry::read(&receipt.extra).unwrap();
        let event: Value = serde_json::from_str(entry.event.get()).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        if let Some(position) = self.decisions.get(&id) {
            assert_eq!(*position, receipt.index, "the receipt of decision {id} names another entry");
        }
        id
    }
}

/// Fails unless `countersign evidence verify` finds nothing wrong with `data`.
pub fn verifies(data: &Path) {
    let (code, said) = verify(data);
    assert_eq!(code, Some(0), "`countersign evidence verify` said: {said}");
}

/// Runs `countersign evidence verify` on `data`: its exit code, and what it said.
pub fn verify(data: &Path) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_countersign");
    let ran = Command::new(program).args(["evidence", "verify"]).arg(data).output().unwrap();
    (ran.status.code(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}
