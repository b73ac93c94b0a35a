"""Opaque capability tokens: issued, introspected, revoked, turned into sessions."""

from datetime import timedelta

import pytest
from agenttrustid import AuthenticationError, AuthorizationError, ValidationError


@pytest.fixture
def agent(new_agent):
    return new_agent("files:read", "files:write")


def test_a_token_carries_what_was_asked_for(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"], ttl_seconds=300)
    assert token.token.startswith("at_")
    assert token.token_id
    assert token.agent_id == agent.id
    assert token.scopes == ["files:read"]
    assert token.expires_at - token.issued_at == timedelta(seconds=300)


def test_a_fresh_token_is_active(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"])
    result = admin.tokens.introspect(token.token)
    assert result.active
    assert result.agent_id == agent.id
    assert result.org_id == agent.org_id
    assert result.scopes == ["files:read"]
    assert result.expires_at == token.expires_at


def test_a_token_with_the_required_scope_is_active(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read", "files:write"])
    assert admin.tokens.introspect(token.token, required_scopes=["files:write"]).active


def test_a_token_without_the_required_scope_is_inactive_and_says_why(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"])
    result = admin.tokens.introspect(token.token, required_scopes=["files:read", "files:write"])
    assert not result.active
    assert result.reasoning


def test_the_deprecated_verify_answers_as_introspect_does(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"])
    assert admin.tokens.verify(token.token) == admin.tokens.introspect(token.token)


def test_a_revoked_token_is_inactive_and_says_why(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"])
    assert admin.tokens.revoke(token.token)
    result = admin.tokens.introspect(token.token)
    assert not result.active
    assert result.reasoning


def test_revoking_one_token_leaves_the_agents_other_tokens_active(admin, agent):
    kept = admin.tokens.issue(agent.id, ["files:read"], use_cache=False)
    revoked = admin.tokens.issue(agent.id, ["files:read"], use_cache=False)
    assert kept.token != revoked.token
    admin.tokens.revoke(revoked.token)
    assert admin.tokens.introspect(kept.token).active


def test_a_token_nobody_issued_is_inactive(admin):
    assert not admin.tokens.introspect("at_nobody-issued-this").active


def test_a_token_may_not_exceed_the_agents_capabilities(admin, agent):
    with pytest.raises((AuthorizationError, ValidationError)):
        admin.tokens.issue(agent.id, ["files:read", "payments:send"])


def test_a_token_can_be_bound_to_a_session(admin, agent, new_session):
    session = new_session(agent)
    token = admin.tokens.issue(agent.id, ["files:read"], session_id=session.session_id)
    assert admin.tokens.introspect(token.token).active


def test_an_api_session_takes_its_ceiling_from_the_token(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"])
    session = admin.sessions.init_api_session(token.token)
    assert session.source == "api"
    assert session.agent_id == agent.id
    assert session.org_id == agent.org_id
    assert session.scope_ceiling == ["files:read"]
    assert admin.sessions.get_session(session.session_id).session_id == session.session_id


def test_an_api_session_refuses_what_its_token_did_not_grant(admin, new_agent):
    agent = new_agent("read_file", "list_users")
    token = admin.tokens.issue(agent.id, ["read_file"])
    session = admin.sessions.init_api_session(token.token)

    inside = admin.actions.check(agent.id, tool_name="read_file", session_id=session.session_id)
    outside = admin.actions.check(agent.id, tool_name="list_users", session_id=session.session_id)
    assert (inside.allowed, outside.allowed) == (True, False)


def test_a_token_nobody_issued_opens_no_session(admin):
    with pytest.raises(AuthenticationError):
        admin.sessions.init_api_session("at_nobody-issued-this")


def test_a_revoked_token_opens_no_session(admin, agent):
    token = admin.tokens.issue(agent.id, ["files:read"])
    admin.tokens.revoke(token.token)
    with pytest.raises(AuthenticationError):
        admin.sessions.init_api_session(token.token)
