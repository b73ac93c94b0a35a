"""A revoked agent is stopped at once and stays stopped."""

import pytest
from agenttrustid import AgentTrustError, AgentTrustGuard, AuthorizationError
from agenttrustid.models import AgentStatus


def test_after_revocation_the_very_next_check_is_denied(admin, new_agent):
    agent = new_agent("web_search")
    assert admin.actions.check(agent.id, tool_name="web_search").allowed
    assert admin.agents.revoke(agent.id, reason="compromised")
    decision = admin.actions.check(agent.id, tool_name="web_search")
    assert not decision.allowed
    assert decision.reason
    assert not decision.elevation_required


def test_revocation_reaches_an_open_session(admin, new_agent, new_session):
    agent = new_agent("read_file")
    session = new_session(agent)
    admin.agents.revoke(agent.id)
    assert not admin.actions.check(agent.id, tool_name="read_file", session_id=session.session_id).allowed


def test_the_guard_of_a_revoked_agent_blocks(admin, new_agent):
    agent = new_agent("web_search")
    with AgentTrustGuard(admin, agent.id) as guard:
        assert guard.check("web_search")
        admin.agents.revoke(agent.id)
        with pytest.raises(AgentTrustError) as denied:
            guard.check("web_search")
    assert denied.value.code == "ACTION_DENIED"


def test_a_revoked_agents_token_is_inactive(admin, new_agent):
    agent = new_agent("files:read")
    token = admin.tokens.issue(agent.id, ["files:read"])
    admin.agents.revoke(agent.id)
    assert not admin.tokens.introspect(token.token).active


def test_a_revoked_agent_gets_no_new_token(admin, new_agent):
    agent = new_agent("files:read")
    admin.agents.revoke(agent.id)
    with pytest.raises(AuthorizationError):
        admin.tokens.issue(agent.id, ["files:read"])


def test_a_revoked_agent_opens_no_session(admin, new_agent, new_session):
    agent = new_agent("files:read")
    admin.agents.revoke(agent.id)
    with pytest.raises(AuthorizationError):
        new_session(agent)


def test_a_revoked_agent_is_still_shown_as_revoked(admin, new_agent):
    agent = new_agent("files:read")
    admin.agents.revoke(agent.id)
    assert admin.agents.get(agent.id).status is AgentStatus.REVOKED
    listed = {other.id: other for other in admin.agents.list()}
    assert listed[agent.id].status is AgentStatus.REVOKED


def test_revoking_one_agent_leaves_another_at_work(admin, new_agent):
    revoked, kept = new_agent("web_search"), new_agent("web_search")
    admin.agents.revoke(revoked.id)
    assert admin.actions.check(kept.id, tool_name="web_search").allowed
