//! The thread that grows the tree, has it witnessed and publishes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_evidence::log::checkpoint::{Checkpoint, Origin, Trust};
use countersign_evidence::log::merkle::TreeHead;
use countersign_evidence::log::note::{Note, Signer};
use countersign_store::{Ledger, Tiles};

use super::tree::Tree;
use super::witnesses::{Asked, Panel};
use super::{LogError, Published, State, locked};
use crate::clock::Clock;

/// How often the publisher looks for new entries.
const BEAT: Duration = Duration::from_millis(250);
/// How many entries are read at once.
const CHUNK: usize = 2_048;
/// How many entries one checkpoint adds at most, so that a long backlog is
/// published step by step.
const STEP: u64 = 65_536;

pub(super) struct Publisher {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) tiles: Arc<dyn Tiles>,
    pub(super) state: Arc<State>,
    pub(super) signer: Signer,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tree: Tree,
    /// A checkpoint that was signed, where the tree has to be made again.
    pub(super) promised: Option<TreeHead>,
    pub(super) panel: Panel,
    /// How many witnesses must have cosigned what is published.
    pub(super) quorum: usize,
    pub(super) open: Option<Open>,
}

/// The checkpoint that was signed last.
pub(super) struct Open {
    head: TreeHead,
    note: Note,
    is_published: bool,
}

impl Publisher {
    /// Reads what was published. Where the stored tiles do not make its root,
    /// the tree is made again from the ledger.
    pub(super) fn resume(&mut self) -> Result<(), LogError> {
        let Some(text) = self.tiles.checkpoint()? else { return Ok(()) };
        let damaged = |why: &dyn std::fmt::Display| LogError::Damaged(why.to_string());
        let note = Note::parse(text.as_bytes()).map_err(|why| damaged(&why))?;
        let head = Checkpoint::parse(note.text()).map_err(|why| damaged(&why))?.head();
        if let Ok(tree) = Tree::stored(head, self.tiles.as_ref()) {
            self.tree = tree;
            // A checkpoint of another key is replaced by the first of ours.
            if Trust::in_key(self.signer.verifier().clone()).open(&note).is_ok() {
                self.panel.remember(&note, head.size);
                self.state.show(Published { head, note: note.clone(), at: None });
                self.open = Some(Open { head, note, is_published: true });
            }
        } else {
            tracing::warn!(size = head.size, "the stored tiles are damaged: making the tree again from the ledger");
            self.promised = Some(head);
        }
        Ok(())
    }

    pub(super) fn run(&mut self) {
        loop {
            let stopped = self.state.stopped.load(Ordering::Acquire);
            match self.beat() {
                Ok(()) => *locked(&self.state.failure) = None,
                Err(why) => self.state.fail(&why),
            }
            *locked(&self.state.witnesses) = self.panel.health();
            if stopped {
                return;
            }
            std::thread::park_timeout(BEAT);
        }
    }

    fn beat(&mut self) -> Result<(), LogError> {
        self.gather()?;
        self.catch_up()?;
        self.ask_again()?;
        match &self.open {
            Some(open) if !open.is_published && !self.panel.is_out(open.head.size) => Err(LogError::Unwitnessed {
                found: self.panel.cosigned(&open.note),
                required: self.quorum,
                size: open.head.size,
            }),
            _ => Ok(()),
        }
    }

    /// Signs everything that is committed, and publishes it.
    fn catch_up(&mut self) -> Result<(), LogError> {
        let length = self.ledger.length()?;
        if length < self.tree.frontier.size() {
            return Err(LogError::Altered { size: self.tree.frontier.size() });
        }
        while self.tree.frontier.size() < length {
            // What lacks cosignatures is not replaced while they may still come: a
            // log that is always busy would never be witnessed by whoever is slow.
            if self.open.as_ref().is_some_and(|open| !open.is_published && self.panel.is_out(open.head.size)) {
                return Ok(());
            }
            let mut goal = length.min(self.tree.frontier.size() + STEP);
            // A promise is kept or broken at exactly its size.
            if let Some(promised) = self.promised {
                goal = if self.tree.frontier.size() < promised.size { promised.size } else { goal };
            }
            self.integrate(goal.min(length))?;
            self.keep_promise(length)?;
            self.sign(length)?;
        }
        if self.open.is_none() && length > 0 {
            self.sign(length)?;
        }
        Ok(())
    }

    fn integrate(&mut self, goal: u64) -> Result<(), LogError> {
        while self.tree.frontier.size() < goal {
            let start = self.tree.frontier.size();
            let limit = usize::try_from(goal - start).unwrap_or(CHUNK).min(CHUNK);
            let entries = self.ledger.read(start, limit)?;
            if entries.is_empty() {
                return Err(LogError::Altered { size: goal });
            }
            for entry in &entries {
                self.tree.append(entry);
            }
        }
        Ok(())
    }

    fn keep_promise(&mut self, length: u64) -> Result<(), LogError> {
        let Some(promised) = self.promised else { return Ok(()) };
        let kept = promised.size <= length && self.tree.frontier.head() == promised;
        if self.tree.frontier.size() >= promised.size || promised.size > length {
            if !kept {
                self.tree = Tree::default();
                return Err(LogError::Altered { size: promised.size });
            }
            self.promised = None;
        }
        Ok(())
    }

    /// Signs the tree as it is, asks the witnesses and publishes what came of it.
    fn sign(&mut self, length: u64) -> Result<(), LogError> {
        let head = self.tree.frontier.head();
        let mut note = Checkpoint::new(Origin::from(self.signer.verifier().name()), head).sign(&self.signer);
        if self.panel.may_be_asked(&note) {
            let changed = self.tree.changed();
            let fresh = changed.iter().cloned().collect();
            self.tree.take_back(changed);
            let tiles = Arc::clone(&self.tiles);
            self.panel.ask(Asked { head, length, note: note.clone(), tiles, fresh });
            self.panel.wait(&mut note, head.size);
        }
        self.open = Some(Open { head, note, is_published: false });
        self.publish()
    }

    /// Writes the tree, and publishes the open checkpoint if enough witnesses have
    /// cosigned it.
    fn publish(&mut self) -> Result<(), LogError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let changed = self.tree.changed();
        let is_witnessed = self.panel.cosigned(&open.note) >= self.quorum;
        let written =
            if is_witnessed { self.tiles.publish(&changed, &open.note.to_string()) } else { self.tiles.keep(&changed) };
        if let Err(why) = written {
            self.tree.take_back(changed);
            return Err(why.into());
        }
        if is_witnessed {
            open.is_published = true;
            let at = Some(self.clock.now());
            self.state.show(Published { head: open.head, note: open.note.clone(), at });
        }
        Ok(())
    }

    /// Puts cosignatures that came late onto the open checkpoint, and publishes what
    /// could be published and was not.
    fn gather(&mut self) -> Result<(), LogError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let has_more = self.panel.gather(&mut open.note, open.head.size);
        let is_due = !open.is_published && self.panel.cosigned(&open.note) >= self.quorum;
        if has_more || is_due { self.publish() } else { Ok(()) }
    }

    /// Asks who has not cosigned the open checkpoint, without waiting.
    fn ask_again(&mut self) -> Result<(), LogError> {
        if let Some(open) = &self.open
            && self.panel.may_be_asked(&open.note)
        {
            let (head, note, length) = (open.head, open.note.clone(), self.ledger.length()?);
            let (tiles, fresh) = (Arc::clone(&self.tiles), std::collections::HashMap::new());
            self.panel.ask(Asked { head, length, note, tiles, fresh });
        }
        Ok(())
    }
}
