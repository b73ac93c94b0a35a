//! What every handler is given.

use std::ops::Deref;
use std::sync::Arc;

use countersign_engine::{Caller, Engine, Log};

use crate::metrics::Metrics;

/// The server's shared state. Every request clones it a few times: it is one pointer.
#[derive(Clone)]
pub struct Surface(Arc<Shared>);

/// What a [`Surface`] points to.
#[derive(Clone)]
pub struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) dev_mode: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) openapi: Arc<str>,
    pub(crate) log: Option<Arc<Log>>,
}

impl Deref for Surface {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Surface {
    /// A surface on `engine`. In dev mode a call without credentials acts as a
    /// developer of the first organisation.
    #[must_use]
    pub fn new(engine: Arc<Engine>, dev_mode: bool) -> Self {
        let openapi = crate::openapi_json(&[]).into();
        Self(Arc::new(Shared { engine, dev_mode, metrics: Arc::default(), openapi, log: None }))
    }

    /// The surface with the transparency log it serves.
    #[must_use]
    pub fn with_log(mut self, log: Arc<Log>) -> Self {
        Arc::make_mut(&mut self.0).log = Some(log);
        self
    }

    /// The surface, reached from outside at `urls`: what its OpenAPI document
    /// names as servers.
    #[must_use]
    pub fn reached_at(mut self, urls: &[String]) -> Self {
        Arc::make_mut(&mut self.0).openapi = crate::openapi_json(urls).into();
        self
    }

    /// Who a call without credentials is.
    pub(crate) fn developer(&self) -> Option<Caller> {
        if self.dev_mode { self.engine.developer() } else { None }
    }
}
