//! What every handler is given.

use std::sync::Arc;

use countersign_engine::{Caller, Engine, Log};

use crate::metrics::Metrics;

/// The server's shared state. Cheap to clone.
#[derive(Clone)]
pub struct Surface {
    pub(crate) engine: Arc<Engine>,
    pub(crate) dev_mode: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) openapi: Arc<str>,
    pub(crate) log: Option<Arc<Log>>,
}

impl Surface {
    /// A surface on `engine`. In dev mode a call without credentials acts as a
    /// developer of the first organisation.
    #[must_use]
    pub fn new(engine: Arc<Engine>, dev_mode: bool) -> Self {
        Self { engine, dev_mode, metrics: Arc::default(), openapi: crate::openapi_json(&[]).into(), log: None }
    }

    /// The surface with the transparency log it serves.
    #[must_use]
    pub fn with_log(self, log: Arc<Log>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// The surface, reached from outside at `urls`: what its OpenAPI document
    /// names as servers.
    #[must_use]
    pub fn reached_at(self, urls: &[String]) -> Self {
        Self { openapi: crate::openapi_json(urls).into(), ..self }
    }

    /// Who a call without credentials is.
    pub(crate) fn developer(&self) -> Option<Caller> {
        if self.dev_mode { self.engine.developer() } else { None }
    }
}
