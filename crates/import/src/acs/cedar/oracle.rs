//! The Cedar of a manifest, asked as the built-in dispatcher of ACS asks it: `cedar.rs` of the
//! crate `agent_control_specification` 0.3.1-beta.

use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, Policy, PolicySet, Request, Schema, ValidationMode, Validator,
};

use crate::Verdict;
use crate::acs::{CALL, Point};
use crate::prove::Call;

/// The policies, with what the source loads beside them.
pub(crate) struct Oracle {
    policies: PolicySet,
    entities: Entities,
    schema: Option<Schema>,
}

/// What one policy says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Matches,
    No,
    Fails,
    /// The request cannot be made.
    Unasked,
}

/// `policy` by itself.
pub(crate) fn alone(policy: &Policy) -> Result<PolicySet, String> {
    PolicySet::from_policies([policy.clone()]).map_err(|why| why.to_string())
}

impl Oracle {
    /// The error is why the source refuses every call.
    pub(crate) fn load(policies: &str, entities: Option<&str>, schema: Option<&str>) -> Result<Self, String> {
        let policies = PolicySet::from_str(policies).map_err(|why| why.to_string())?;
        let schema = schema.map(Schema::from_json_str).transpose().map_err(|why| format!("its schema: {why}"))?;
        if let Some(schema) = &schema {
            let found = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
            if !found.validation_passed() {
                return Err(format!("the policies do not fit its schema: {found}"));
            }
        }
        let entities = match entities {
            None => Entities::empty(),
            Some(text) => {
                Entities::from_json_str(text, schema.as_ref()).map_err(|why| format!("its entities: {why}"))?
            }
        };
        Ok(Self { policies, entities, schema })
    }

    /// What the one policy of `alone` says.
    pub(crate) fn says(&self, alone: &PolicySet, agent: &str, tool: Option<&str>, point: &Point) -> Answer {
        let Some(request) = self.request(agent, tool, point) else { return Answer::Unasked };
        let response = Authorizer::new().is_authorized(&request, alone, &self.entities);
        if response.diagnostics().errors().next().is_some() {
            Answer::Fails
        } else if response.diagnostics().reason().next().is_some() {
            Answer::Matches
        } else {
            Answer::No
        }
    }

    /// What the host would do with a call.
    pub(crate) fn decides(&self, call: Call<'_>, point: &Point) -> Verdict {
        if point.names_tool && !point.catalogue.contains_key(call.tool) {
            return Verdict::Deny;
        }
        let tool = point.names_tool.then_some(call.tool);
        let Some(request) = self.request(call.agent, tool, point) else { return Verdict::Deny };
        let response = Authorizer::new().is_authorized(&request, &self.policies, &self.entities);
        let fails = response.diagnostics().errors().next().is_some();
        if !fails && response.decision() == Decision::Allow { Verdict::Allow } else { Verdict::Deny }
    }

    /// The ids are put between quotes as they are, as the source does.
    fn request(&self, agent: &str, tool: Option<&str>, point: &Point) -> Option<Request> {
        let uid = |kind: &str, id: &str| EntityUid::from_str(&format!("{kind}::\"{id}\"")).ok();
        let kind = point.kind.as_deref().unwrap_or("unspecified");
        let resource = tool.map_or_else(|| uid("PolicyTarget", kind), |tool| uid("Tool", tool))?;
        let (principal, action) = (uid("Agent", agent)?, uid("Action", CALL)?);
        Request::new(principal, action, resource, Context::empty(), self.schema.as_ref()).ok()
    }
}
