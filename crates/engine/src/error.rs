//! Why the engine did not do what a caller asked. The server turns these into
//! status codes in one place.

use countersign_store::StoreError;

use crate::recorder::RecordError;

/// A refusal the caller can act on. A policy denial is not one: it is an answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The caller did not prove who it is.
    #[error("{message}")]
    Unauthenticated {
        /// Stable code.
        code: &'static str,
        /// What happened and what to do.
        message: &'static str,
    },
    /// The caller may not do this.
    #[error("{message}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// What happened and what to do.
        message: String,
    },
    /// There is no such thing in the caller's organisation.
    #[error("no {noun} `{id}`")]
    NotFound {
        /// The kind of thing.
        noun: &'static str,
        /// The id that was asked for.
        id: String,
    },
    /// It will be there once something else has happened.
    #[error("{0}")]
    NotYet(String),
    /// It is already otherwise.
    #[error("{0}")]
    Conflict(String),
    /// Too many tries.
    #[error("{0}")]
    TooMany(&'static str),
    /// It cannot be done now.
    #[error("{message}")]
    Unavailable {
        /// Stable code.
        code: &'static str,
        /// What happened and what to do.
        message: &'static str,
    },
}

impl Error {
    pub(crate) fn not_found(noun: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound { noun, id: id.into().chars().take(128).collect() }
    }

    pub(crate) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::Forbidden { code, message: message.into() }
    }
}

impl From<RecordError> for Error {
    fn from(why: RecordError) -> Self {
        match why {
            RecordError::Busy => Self::Unavailable {
                code: "recorder_busy",
                message: "the recorder's queue is full, so nothing was decided; try again in a moment",
            },
            RecordError::Unavailable => Self::Unavailable {
                code: "ledger_unavailable",
                message: "the ledger cannot be written, so nothing was decided; /health says why",
            },
            RecordError::Conflict { .. } => {
                Self::Conflict("it changed while this request was being handled; read it again and retry".into())
            }
            RecordError::Superseded => Self::Unavailable {
                code: "contended",
                message: "rights kept changing while this was being decided; try again",
            },
        }
    }
}

impl From<StoreError> for Error {
    fn from(why: StoreError) -> Self {
        tracing::error!(%why, "the store could not be read");
        Self::Unavailable { code: "store_unavailable", message: "the store cannot be read; /health says why" }
    }
}
