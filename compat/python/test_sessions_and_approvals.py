"""Sessions start read-only; a human lifts that for one named action."""

from types import SimpleNamespace

import pytest
from agenttrustid import AgentTrustError, AgentTrustGuard, AuthorizationError


@pytest.fixture
def work(client_for, new_key, new_agent, new_session):
    """An agent at work: its record, a client holding its own key, a fresh session, and its way to ask."""
    agent = new_agent("read_file", "write_file", "update_file", "delete_file", "grant_role")
    session = new_session(agent)
    client = client_for(new_key("agent", agent.id))

    def ask(tool, effect=""):
        return client.actions.check(
            agent.id, tool_name=tool, session_id=session.session_id, action_effect=effect
        )

    return SimpleNamespace(agent=agent, session=session, client=client, ask=ask)


def test_a_new_mcp_session_is_read_only_and_knows_its_owner(work, new_session):
    assert work.session.mode == "read_only"
    assert work.session.source == "mcp"
    assert work.session.agent_id == work.agent.id
    assert work.session.org_id == work.agent.org_id
    assert work.session.server_id
    assert work.session.allowed_actions == []


def test_a_session_can_be_fetched_again(admin, work):
    fetched = admin.sessions.get_session(work.session.session_id)
    assert fetched.session_id == work.session.session_id
    assert fetched.scope_ceiling == work.session.scope_ceiling


def test_a_session_nobody_opened_is_not_found(admin):
    with pytest.raises(AgentTrustError) as missing:
        admin.sessions.get_session("sess_nobody-opened-this")
    assert missing.value.code == "NOT_FOUND"


def test_a_read_needs_no_approval(work):
    assert work.ask("read_file").allowed


def test_a_write_asks_for_a_human(work):
    decision = work.ask("write_file")
    assert not decision.allowed
    assert decision.elevation_required
    assert decision.approval_id
    assert decision.reason


def test_asking_again_while_the_human_decides_names_the_same_approval(work):
    assert work.ask("write_file").approval_id == work.ask("write_file").approval_id


def test_the_agent_can_read_what_is_pending(work):
    pending = work.client.approvals.get(work.ask("write_file").approval_id)
    assert pending.status == "pending"
    assert pending.session_id == work.session.session_id
    assert pending.agent_id == work.agent.id
    assert pending.org_id == work.agent.org_id
    assert pending.action_name == "write_file"
    assert pending.action_effect == "mutating"
    assert pending.decided_by is None
    assert pending.expires_at > pending.created_at


def test_an_approved_write_is_allowed_when_asked_again(work, approver):
    approval_id = work.ask("write_file").approval_id
    assert approver.approvals.approve(approval_id, decided_by="alice@example.com")["status"] == "approved"

    decided = work.client.approvals.get(approval_id)
    assert decided.status == "approved"
    assert decided.decided_by == "alice@example.com"
    assert work.ask("write_file").allowed


def test_an_approval_elevates_the_session_for_the_action_it_names(work, approver):
    approver.approvals.approve(work.ask("write_file").approval_id)
    session = work.client.sessions.get_session(work.session.session_id)
    assert session.mode == "elevated"
    assert session.allowed_actions == ["write_file"]


def test_an_approval_does_not_reach_another_action(work, approver):
    approved = work.ask("write_file").approval_id
    approver.approvals.approve(approved)
    other = work.ask("update_file")
    assert not other.allowed
    assert other.elevation_required
    assert other.approval_id != approved


def test_an_approval_does_not_reach_another_session(admin, work, approver, new_session):
    approver.approvals.approve(work.ask("write_file").approval_id)
    elsewhere = new_session(work.agent)
    decision = admin.actions.check(work.agent.id, tool_name="write_file", session_id=elsewhere.session_id)
    assert not decision.allowed


def test_a_denied_action_stays_refused(work, approver):
    approval_id = work.ask("update_file").approval_id
    assert approver.approvals.deny(approval_id, decided_by="alice@example.com")["status"] == "denied"
    assert work.client.approvals.get(approval_id).status == "denied"
    assert not work.ask("update_file").allowed


def test_the_administrator_may_approve(admin, work):
    admin.approvals.approve(work.ask("write_file").approval_id)
    assert work.ask("write_file").allowed


def test_the_agents_own_key_cannot_approve(work):
    approval_id = work.ask("write_file").approval_id
    with pytest.raises(AuthorizationError):
        work.client.approvals.approve(approval_id)
    assert work.client.approvals.get(approval_id).status == "pending"


def test_a_caller_without_a_key_cannot_approve(work, keyless):
    approval_id = work.ask("write_file").approval_id
    with pytest.raises(AuthorizationError):
        keyless.approvals.approve(approval_id)
    assert work.client.approvals.get(approval_id).status == "pending"


def test_the_agents_own_key_cannot_deny(work):
    approval_id = work.ask("write_file").approval_id
    with pytest.raises(AuthorizationError):
        work.client.approvals.deny(approval_id)


def test_an_approval_is_decided_once(work, approver):
    approval_id = work.ask("write_file").approval_id
    approver.approvals.deny(approval_id)
    with pytest.raises(AgentTrustError) as decided:
        approver.approvals.approve(approval_id)
    assert decided.value.code == "HTTP_409"
    assert approver.approvals.get(approval_id).status == "denied"


def test_an_approval_nobody_asked_for_is_not_found(approver):
    with pytest.raises(AgentTrustError) as missing:
        approver.approvals.approve("nobody-asked-for-this")
    assert missing.value.code == "NOT_FOUND"


def test_a_destructive_action_needs_a_human_and_runs_once_one_agrees(work, approver):
    decision = work.ask("delete_file")
    assert decision.elevation_required
    assert work.client.approvals.get(decision.approval_id).action_effect == "destructive"
    approver.approvals.approve(decision.approval_id)
    assert work.ask("delete_file").allowed


def test_an_admin_action_is_refused_with_no_approval_to_ask_for(work):
    decision = work.ask("grant_role")
    assert not decision.allowed
    assert not decision.elevation_required
    assert decision.approval_id is None


def test_a_hint_can_raise_the_effect_of_an_action(work):
    assert work.ask("read_file", effect="write").elevation_required


def test_a_hint_cannot_lower_the_effect_of_an_action(work):
    assert work.ask("write_file", effect="read").elevation_required


def test_the_guard_hands_out_the_approval_it_needs(work, approver):
    with AgentTrustGuard(work.client, work.agent.id, session_id=work.session.session_id) as guard:
        with pytest.raises(AgentTrustError) as blocked:
            guard.check("write_file")
        assert blocked.value.code == "ELEVATION_REQUIRED"
        approver.approvals.approve(blocked.value.details["approval_id"])
        assert guard.check("write_file")


def test_a_session_counts_its_calls(work):
    work.ask("read_file")
    work.ask("write_file")
    counted = work.client.sessions.get_session(work.session.session_id)
    assert counted.total_calls == 2
    assert counted.read_calls == 1


def test_a_session_is_of_no_use_to_another_agent(admin, work, new_agent):
    other = new_agent("read_file")
    try:
        allowed = admin.actions.check(
            other.id, tool_name="read_file", session_id=work.session.session_id
        ).allowed
    except AuthorizationError:
        allowed = False
    assert not allowed


def test_a_closed_session_permits_nothing(work, wire):
    assert work.ask("read_file").allowed
    answer = wire.send("POST", f"/api/v1/sessions/{work.session.session_id}/close")
    assert answer.status == 200, answer.text
    assert not work.ask("read_file").allowed
