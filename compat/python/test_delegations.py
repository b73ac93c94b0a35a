"""One agent lends another a part of what it may do, and can take it back."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from agenttrustid import AuthorizationError, ValidationError

REFUSED = (AuthorizationError, ValidationError)


@pytest.fixture
def loan(admin, new_agent):
    """`lender` lends `read_file` to `borrower`, which can only `list_users` by itself."""
    lender = new_agent("read_file", "search_files")
    borrower = new_agent("list_users")
    delegation = admin.delegations.create(lender.id, borrower.id, ["read_file"])
    return SimpleNamespace(lender=lender, borrower=borrower, delegation=delegation)


@pytest.fixture
def allowed(admin):
    def is_allowed(agent, tool, session):
        return admin.actions.check(agent.id, tool_name=tool, session_id=session.session_id).allowed

    return is_allowed


def test_a_delegation_says_who_lends_what_to_whom(loan):
    assert loan.delegation.id
    assert loan.delegation.from_agent_id == loan.lender.id
    assert loan.delegation.to_agent_id == loan.borrower.id
    assert loan.delegation.scope == ["read_file"]
    assert loan.delegation.revoked_at is None


def test_a_delegation_lasts_an_hour_unless_told_otherwise(admin, loan):
    assert loan.delegation.expires_at - loan.delegation.created_at == timedelta(hours=1)
    short = admin.delegations.create(loan.lender.id, loan.borrower.id, ["read_file"], ttl_seconds=60)
    assert short.expires_at - short.created_at == timedelta(seconds=60)


def test_restrictions_come_back_as_they_were_given(admin, loan):
    restrictions = {"paths": ["/tmp/*"], "max_calls": 10}
    restricted = admin.delegations.create(
        loan.lender.id, loan.borrower.id, ["read_file"], restrictions=restrictions
    )
    assert restricted.restrictions == restrictions


def test_a_delegation_is_listed(admin, loan):
    listed = {delegation.id: delegation for delegation in admin.delegations.list()}
    assert listed[loan.delegation.id].scope == ["read_file"]


def test_a_delegated_session_belongs_to_the_borrower_and_is_capped_by_the_loan(admin, loan):
    session = admin.delegations.init_session(loan.delegation.id)
    assert session.source == "a2a"
    assert session.mode == "read_only"
    assert session.agent_id == loan.borrower.id
    assert session.org_id == loan.borrower.org_id
    assert session.delegation_id == loan.delegation.id
    assert session.scope_ceiling == ["read_file"]


def test_a_borrowed_action_is_allowed_in_the_delegated_session(admin, loan, allowed):
    assert allowed(loan.borrower, "read_file", admin.delegations.init_session(loan.delegation.id))


def test_a_borrowed_action_is_denied_outside_the_delegated_session(admin, loan):
    assert not admin.actions.check(loan.borrower.id, tool_name="read_file").allowed


def test_an_action_outside_the_loan_is_denied_even_if_either_agent_could_do_it_alone(admin, loan, allowed):
    session = admin.delegations.init_session(loan.delegation.id)
    assert not allowed(loan.borrower, "list_users", session)
    assert not allowed(loan.borrower, "search_files", session)


def test_after_revocation_the_very_next_check_of_the_delegated_session_is_denied(admin, loan, allowed):
    session = admin.delegations.init_session(loan.delegation.id)
    assert allowed(loan.borrower, "read_file", session)
    admin.delegations.revoke(loan.delegation.id)
    assert not allowed(loan.borrower, "read_file", session)


def test_a_revoked_delegation_opens_no_session(admin, loan):
    admin.delegations.revoke(loan.delegation.id)
    with pytest.raises(REFUSED):
        admin.delegations.init_session(loan.delegation.id)


def test_what_was_borrowed_can_be_lent_on_until_the_first_link_is_revoked(admin, loan, new_agent, allowed):
    third = new_agent("list_users")
    onward = admin.delegations.create(
        loan.borrower.id, third.id, ["read_file"], parent_delegation_id=loan.delegation.id
    )
    session = admin.delegations.init_session(onward.id)
    assert allowed(third, "read_file", session)
    admin.delegations.revoke(loan.delegation.id)
    assert not allowed(third, "read_file", session)


def test_an_agent_cannot_lend_what_it_does_not_have(admin, loan):
    with pytest.raises(REFUSED):
        admin.delegations.create(loan.lender.id, loan.borrower.id, ["read_file", "send_mail"])


def test_lending_on_cannot_widen_the_loan(admin, loan, new_agent):
    with pytest.raises(REFUSED):
        admin.delegations.create(
            loan.borrower.id,
            new_agent("list_users").id,
            ["read_file", "search_files"],
            parent_delegation_id=loan.delegation.id,
        )


def test_an_agent_cannot_lend_to_itself(admin, loan):
    with pytest.raises(REFUSED):
        admin.delegations.create(loan.lender.id, loan.lender.id, ["read_file"])


def test_an_empty_loan_is_not_a_delegation(admin, loan):
    with pytest.raises(ValidationError):
        admin.delegations.create(loan.lender.id, loan.borrower.id, [])
