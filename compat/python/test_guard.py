"""The guard an agent wraps around its tools: check before, report after."""

import logging

import pytest
from agenttrustid import AgentTrustError, AgentTrustGuard, AuthorizationError


@pytest.fixture
def new_guard(admin):
    """Guards that are closed when the test ends, so no timer of theirs outlives it."""
    guards = []

    def guard(agent, client=admin, **settings):
        guards.append(AgentTrustGuard(client, agent_id=agent.id, **settings))
        return guards[-1]

    yield guard
    for made in guards:
        made.close()


def test_a_tool_the_agent_is_capable_of_is_allowed(new_agent, new_guard):
    guard = new_guard(new_agent("web_search", "summarize"))
    assert guard.check("web_search", input_summary="news")
    assert guard.check("summarize", input_summary="news"), "a session id of the guard's own making is not read-only"


def test_a_tool_the_agent_lacks_is_denied_with_a_reason(new_agent, new_guard):
    guard = new_guard(new_agent("web_search"))
    with pytest.raises(AgentTrustError) as denied:
        guard.check("send_mail")
    assert denied.value.code == "ACTION_DENIED"
    assert denied.value.message.removeprefix("Tool 'send_mail' denied: ") not in ("", "None")


def test_a_guard_that_does_not_block_returns_the_denial(new_agent, new_guard):
    guard = new_guard(new_agent("web_search"), block_on_deny=False)
    assert guard.check("send_mail") is False


def test_the_decision_names_its_tier_and_confidence(admin, new_agent):
    decision = admin.actions.check(new_agent("web_search").id, tool_name="web_search")
    assert decision.allowed
    assert decision.check_id
    assert decision.guard_tier in ("fast", "spot", "deep")
    assert 0 <= decision.confidence <= 1
    assert not decision.elevation_required


def test_every_decision_has_its_own_check_id(admin, new_agent):
    agent = new_agent("web_search")
    first = admin.actions.check(agent.id, tool_name="web_search")
    second = admin.actions.check(agent.id, tool_name="web_search")
    assert first.check_id != second.check_id


def test_a_session_id_the_server_never_issued_is_only_a_label(admin, new_agent):
    agent = new_agent("write_file")
    assert admin.actions.check(agent.id, tool_name="write_file", session_id="sess-123").allowed


def test_a_summary_of_two_hundred_wide_characters_is_accepted(new_agent, new_guard):
    assert new_guard(new_agent("web_search")).check("web_search", input_summary="\N{OWL}" * 300)


def test_a_key_bound_to_an_agent_asks_for_that_agent(client_for, new_key, new_agent, new_guard):
    agent = new_agent("web_search")
    assert new_guard(agent, client_for(new_key("agent", agent.id))).check("web_search")


def test_a_key_bound_to_an_agent_cannot_ask_for_another(client_for, new_key, new_agent, new_guard):
    agent, other = new_agent("web_search"), new_agent("web_search")
    with pytest.raises(AuthorizationError):
        new_guard(other, client_for(new_key("agent", agent.id))).check("web_search")


def test_what_the_guard_reports_is_accepted_when_it_closes(admin, new_agent, caplog):
    with caplog.at_level(logging.WARNING, logger="agenttrustid.telemetry"):
        with AgentTrustGuard(admin, agent_id=new_agent("web_search").id) as guard:
            guard.report("web_search", success=True, duration_ms=12)
            guard.report("web_search", success=False, error_type="TimeoutError")
    assert caplog.records == []


def test_a_full_buffer_of_reports_is_accepted_at_once(admin, new_agent, new_guard, caplog):
    guard = new_guard(new_agent("web_search"))
    with caplog.at_level(logging.WARNING, logger="agenttrustid.telemetry"):
        for _ in range(10):
            guard.report("web_search", duration_ms=1)
    assert caplog.records == []


def test_a_report_with_a_wrong_key_is_not_accepted(client_for, new_agent, caplog):
    """The guard swallows this failure into its log: the two tests above rely on seeing it there."""
    with caplog.at_level(logging.WARNING, logger="agenttrustid.telemetry"):
        with AgentTrustGuard(client_for("sk_live_wrong"), agent_id=new_agent("web_search").id) as guard:
            guard.report("web_search")
    assert len(caplog.records) == 1
