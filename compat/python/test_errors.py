"""Every refusal reaches the caller as the SDK's matching error, with a message."""

import pytest
from agenttrustid import AgentTrustError, AuthenticationError, ValidationError


def test_an_unknown_agent_is_not_found(admin):
    with pytest.raises(AgentTrustError) as missing:
        admin.agents.get("nobody-registered-this")
    assert missing.value.code == "NOT_FOUND"
    assert missing.value.message


def test_a_check_for_an_unknown_agent_is_not_found(admin):
    with pytest.raises(AgentTrustError) as missing:
        admin.actions.check("nobody-registered-this", tool_name="read_file")
    assert missing.value.code == "NOT_FOUND"


def test_a_wrong_key_is_refused_even_where_no_key_would_do(client_for):
    with pytest.raises(AuthenticationError) as refused:
        client_for("sk_live_wrong").agents.list()
    assert refused.value.code == "AUTH_FAILED"
    assert refused.value.message


def test_an_agent_without_a_name_is_invalid(admin):
    with pytest.raises(ValidationError) as invalid:
        admin.agents.create(name="")
    assert invalid.value.code == "VALIDATION_ERROR"
    assert invalid.value.details["message"] == invalid.value.message != ""


def test_a_name_already_taken_is_a_conflict(admin, new_agent):
    taken = new_agent("files:read").name
    with pytest.raises(AgentTrustError) as conflict:
        admin.agents.create(name=taken)
    assert conflict.value.code == "HTTP_409"
    assert taken in conflict.value.message


def test_the_same_name_is_free_in_another_organisation(stranger, new_agent):
    assert stranger.client.agents.create(name=new_agent("files:read").name).id
