//! Which policies can apply to a request, judged by their heads alone.
//!
//! A head names at most one principal, one resource and some actions. Each
//! policy is kept under what its head names; a request looks under everything
//! it is or is in. So what cannot apply is never looked at, however much of it there is.

use std::collections::{HashMap, HashSet};

use cedar_policy::EntityUid;

use crate::policy::Head;

/// A uid that some head names, as a small number; [`ANY`] where a head names none.
type Name = u32;
const ANY: Name = 0;

/// Policies by head.
#[derive(Debug, Default)]
pub(crate) struct Index {
    names: HashMap<EntityUid, Name>,
    policies: HashMap<[Name; 3], Vec<u32>>,
    /// Which of principal, action and resource the heads name. Few of the eight
    /// combinations are in use, and only those are looked up.
    shapes: HashSet<[bool; 3]>,
}

/// Everything a request is or is in.
pub(crate) struct Reach<'a> {
    pub principal: &'a [&'a EntityUid],
    pub action: &'a [&'a EntityUid],
    pub resource: &'a [&'a EntityUid],
}

impl Index {
    pub(crate) fn new<'a>(heads: impl Iterator<Item = &'a Head>) -> Self {
        let mut index = Self::default();
        for (number, head) in (0..).zip(heads) {
            let principal = index.name(head.principal.as_ref());
            let resource = index.name(head.resource.as_ref());
            let actions = match &head.actions {
                None => vec![ANY],
                Some(uids) => uids.iter().map(|uid| index.name(Some(uid))).collect(),
            };
            for action in actions {
                let key = [principal, action, resource];
                index.shapes.insert(key.map(|name| name != ANY));
                index.policies.entry(key).or_default().push(number);
            }
        }
        index
    }

    fn name(&mut self, uid: Option<&EntityUid>) -> Name {
        let Some(uid) = uid else { return ANY };
        let next = Name::try_from(self.names.len() + 1).unwrap_or(Name::MAX);
        *self.names.entry(uid.clone()).or_insert(next)
    }

    /// The numbers of the policies whose heads match, ascending.
    pub(crate) fn find(&self, reach: &Reach<'_>) -> Vec<u32> {
        let look_up = |uids: &[&EntityUid]| uids.iter().filter_map(|uid| self.names.get(*uid).copied()).collect();
        let names: [Vec<Name>; 3] = [look_up(reach.principal), look_up(reach.action), look_up(reach.resource)];
        let mut found = Vec::new();
        for shape in &self.shapes {
            let [principals, actions, resources] =
                [0, 1, 2].map(|part: usize| match (shape.get(part), names.get(part)) {
                    (Some(true), Some(found)) => found.as_slice(),
                    _ => &[ANY],
                });
            for principal in principals {
                for action in actions {
                    for resource in resources {
                        found.extend(self.policies.get(&[*principal, *action, *resource]).into_iter().flatten());
                    }
                }
            }
        }
        // A policy whose head names two actions of the request is found twice.
        found.sort_unstable();
        found.dedup();
        found
    }
}
