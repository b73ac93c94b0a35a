//! The slow answer, by Cedar alone.

use cedar_policy::{AuthorizationError, Authorizer, PolicyId};
use serde_json::Map;

use std::sync::Arc;

use crate::condition::Reads;
use crate::decision::{Decision, Outcome, PolicyError, Shadowed};
use crate::policy::{Kind, Policy};
use crate::related::Related;
use crate::request::Request;
use crate::set::PolicySet;
use crate::values::{Types, context};

impl PolicySet {
    /// Answers `request` with every policy as it is written, all that is known
    /// of the request, and Cedar's own authorizer: what
    /// [`Worker::decide`](crate::Worker::decide) must always agree with where no policy
    /// is written in Rego: those are not asked. Slow.
    ///
    /// The error is what Cedar could not hold of the request.
    pub fn decide_in_full(&self, request: &Request<'_>) -> Result<Decision, String> {
        let types = Types::new()?;
        let none = Map::new();
        let tool = self.tools().get(request.tool);
        let arguments = if tool.is_some() { request.arguments } else { &none };
        let request = &Request { arguments, ..*request };
        let Related { principal, action, resource, entities } = Related::of(&types, request, tool.is_some())?;
        let context = context(&types, request, tool, &Reads::all())?;
        let query =
            cedar_policy::Request::new(principal, action, resource, context, None).map_err(|why| why.to_string())?;
        let answer = |policies| -> Result<_, String> {
            let policies = cedar_policy::PolicySet::from_policies(policies).map_err(|why| why.to_string())?;
            Ok(Authorizer::new().is_authorized(&query, &policies, &entities))
        };
        let parsed = |policy: &Policy| {
            cedar_policy::Policy::parse(Some(PolicyId::new(&policy.id)), &policy.text).map_err(|why| why.to_string())
        };
        let find = |id: &PolicyId| {
            let found = self.policies().iter().find(|policy| policy.id == *AsRef::<str>::as_ref(id));
            found.map(|policy| Arc::new(policy.clone())).ok_or("Cedar names a policy that it was not given")
        };
        let mut decision =
            Decision { outcome: Outcome::Unmatched, by: Vec::new(), errors: Vec::new(), shadow: Vec::new() };
        let deciding = self.policies().iter().filter(|policy| !policy.shadow && !policy.is_rego()).map(parsed);
        let said = answer(deciding.collect::<Result<Vec<_>, _>>()?)?;
        for error in said.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(why) = error;
            let (policy, message) = (find(why.policy_id())?, why.inner().to_string());
            decision.errors.push(PolicyError { policy, message });
        }
        decision.errors.sort_by(|a, b| a.policy.id.cmp(&b.policy.id));
        decision.by = said.diagnostics().reason().map(find).collect::<Result<_, _>>()?;
        decision.outcome = match decision.by.first().map(|policy| policy.kind) {
            Some(Kind::Forbid) => Outcome::Forbid,
            _ if !decision.errors.is_empty() => Outcome::Failed,
            Some(Kind::Permit) => Outcome::Permit,
            Some(Kind::Hold) | None => Outcome::Unmatched,
        };
        if decision.outcome == Outcome::Failed {
            decision.by = decision.errors.iter().map(|error| Arc::clone(&error.policy)).collect();
        }
        decision.by.sort_by(|a, b| a.id.cmp(&b.id));
        for policy in self.policies().iter().filter(|policy| policy.shadow) {
            let said = answer(vec![parsed(policy)?])?;
            let would = match (said.diagnostics().errors().next(), said.diagnostics().reason().next()) {
                (Some(_), _) => Outcome::Failed,
                (None, Some(_)) => policy.kind.into(),
                (None, None) => continue,
            };
            decision.shadow.push(Shadowed { policy: Arc::new(policy.clone()), would });
        }
        Ok(decision)
    }
}
