"""Where audit events are streamed to."""

import pytest
from agenttrustid import AgentTrustError

ENDPOINT = "https://siem.example.invalid/collect"
SECRET = "a-secret-the-server-keeps-to-itself"


@pytest.fixture
def destination(admin, new_name):
    made = admin.streaming.create(
        name=new_name("splunk"),
        destination_type="splunk",
        endpoint_url=ENDPOINT,
        auth_token=SECRET,
        batch_size=100,
        flush_interval_seconds=30,
        filter_event_types=["decision"],
    )
    yield made
    try:
        admin.streaming.delete(made.id)
    except AgentTrustError as error:
        assert error.code == "NOT_FOUND", "the test itself may have deleted it"


def test_a_new_destination_is_active_and_echoed(destination):
    assert destination.id
    assert destination.org_id
    assert destination.destination_type == "splunk"
    assert destination.endpoint_url == ENDPOINT
    assert destination.is_active
    assert (destination.batch_size, destination.flush_interval_seconds) == (100, 30)
    assert destination.filter_event_types == ["decision"]


def test_a_destination_can_be_fetched_and_is_listed(admin, destination):
    assert admin.streaming.get(destination.id) == destination
    assert destination in admin.streaming.list()


def test_an_update_changes_only_what_it_names(admin, destination):
    updated = admin.streaming.update(destination.id, name="renamed", is_active=False, batch_size=7)
    assert (updated.name, updated.is_active, updated.batch_size) == ("renamed", False, 7)
    assert updated.endpoint_url == ENDPOINT
    assert updated.filter_event_types == ["decision"]
    assert admin.streaming.get(destination.id) == updated


def test_an_update_that_names_nothing_changes_nothing(admin, destination):
    unchanged = admin.streaming.update(destination.id)
    assert (unchanged.name, unchanged.is_active, unchanged.batch_size) == (
        destination.name,
        destination.is_active,
        destination.batch_size,
    )


def test_the_auth_token_is_never_returned(admin, wire, destination, new_name):
    request = {
        "name": new_name("webhook"), "destination_type": "webhook", "endpoint_url": ENDPOINT, "auth_token": SECRET,
    }
    path = f"/api/v1/siem/destinations/{destination.id}"
    answers = [
        wire.post("/api/v1/siem/destinations", request),
        wire.get(path),
        wire.put(path, {"auth_token": SECRET}),
        wire.get("/api/v1/siem/destinations"),
        wire.get(f"{path}/logs"),
    ]
    admin.streaming.delete(answers[0].json["id"])
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200]
    assert [SECRET in answer.text for answer in answers] == [False] * 5


def test_a_new_destination_has_an_empty_delivery_log(admin, destination):
    assert admin.streaming.delivery_log(destination.id) == []


def test_a_test_says_that_nothing_is_sent_and_the_log_shows_the_attempt(admin, destination):
    reply = admin.streaming.test(destination.id)
    assert reply["success"] is False
    assert "not part of this version" in reply["error_message"]
    attempts = admin.streaming.delivery_log(destination.id)
    assert [attempt.status for attempt in attempts] == ["failed"]


def test_a_deleted_destination_is_gone(admin, destination):
    admin.streaming.delete(destination.id)
    assert destination.id not in [listed.id for listed in admin.streaming.list()]
    with pytest.raises(AgentTrustError) as missing:
        admin.streaming.get(destination.id)
    assert missing.value.code == "NOT_FOUND"
