//! Who asks, for what, and what both are in: Cedar's entities.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression};

use crate::request::Request;
use crate::values::{Types, uid};

/// How many are kept ready. An agent calls a few tools again and again.
const READY: usize = 4096;

/// The entities of one request.
pub(crate) struct Related {
    pub principal: EntityUid,
    pub action: EntityUid,
    pub resource: EntityUid,
    pub entities: Entities,
}

/// The entities of the requests of late, by all they are made of.
pub(crate) struct Ready {
    made: HashMap<Box<[u8]>, Arc<Related>>,
    key: Vec<u8>,
    nobody: Arc<Related>,
}

impl Ready {
    pub(crate) fn new(types: &Types) -> Self {
        let nobody = Related {
            principal: uid(&types.agent, ""),
            action: uid(&types.action, "read"),
            resource: uid(&types.tool, ""),
            entities: Entities::empty(),
        };
        Self { made: HashMap::new(), key: Vec::new(), nobody: Arc::new(nobody) }
    }

    /// What stands in where no condition asks.
    pub(crate) fn nobody(&self) -> Arc<Related> {
        Arc::clone(&self.nobody)
    }

    /// The entities of `request`; `declared` says whether its tool has an action of its own.
    pub(crate) fn get(&mut self, types: &Types, request: &Request<'_>, declared: bool) -> Result<Arc<Related>, String> {
        let effect = request.effect.as_str();
        self.key.clear();
        for part in [request.organisation, request.agent, request.agent_name, request.tool, effect] {
            self.key.extend_from_slice(&part.len().to_le_bytes());
            self.key.extend_from_slice(part.as_bytes());
        }
        if let Some(made) = self.made.get(&*self.key) {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(Related::of(types, request, declared)?);
        if self.made.len() >= READY {
            self.made.clear();
        }
        self.made.insert(self.key.as_slice().into(), Arc::clone(&made));
        Ok(made)
    }
}

impl Related {
    /// The entities of `request`.
    pub(crate) fn of(types: &Types, request: &Request<'_>, declared: bool) -> Result<Self, String> {
        let organisation = uid(&types.organisation, request.organisation);
        let principal = uid(&types.agent, request.agent);
        let resource = uid(&types.tool, request.tool);
        let effect = uid(&types.action, request.effect.as_str());
        let action = if declared { uid(&types.action, request.tool) } else { effect.clone() };
        let inside = || HashSet::from([organisation.clone()]);
        let named = |uid: &EntityUid, name: &str, parents: HashSet<EntityUid>| {
            let name = RestrictedExpression::new_string(name.to_owned());
            Entity::new(uid.clone(), HashMap::from([("name".to_owned(), name)]), parents).map_err(|why| why.to_string())
        };
        let mut all = vec![
            Entity::with_uid(organisation.clone()),
            named(&principal, request.agent_name, inside())?,
            Entity::with_uid(effect.clone()),
        ];
        let mut parents = inside();
        if let Some(server) = request.server().map(|server| uid(&types.server, server)) {
            all.push(Entity::new_no_attrs(server.clone(), inside()));
            parents.insert(server);
        }
        all.push(named(&resource, request.tool, parents)?);
        if declared {
            all.push(Entity::new_no_attrs(action.clone(), HashSet::from([effect])));
        }
        let entities = Entities::from_entities(all, None).map_err(|why| why.to_string())?;
        Ok(Self { principal, action, resource, entities })
    }
}
