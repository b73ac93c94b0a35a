//! One question: what an answer must be bound to.

use countersign_core::Digest;

/// One question: what an answer must be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    nonce: String,
    action: Digest,
}

impl Ask {
    /// A question about `action`, told from all others by `luck`.
    #[must_use]
    pub fn new(action: Digest, luck: u128) -> Self {
        // Sixteen digits: nobody guesses them, and small models copy them.
        let mut nonce = format!("{luck:032x}");
        nonce.truncate(16);
        Self { nonce, action }
    }

    /// What the answer must repeat: 16 hex digits.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The action that is asked about.
    #[must_use]
    pub const fn action(&self) -> Digest {
        self.action
    }
}
