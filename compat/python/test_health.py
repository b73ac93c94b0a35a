"""The server says how it is, and stops when told."""

import countersign


def test_health_is_open_to_a_caller_without_a_key(keyless):
    assert keyless.health()["status"] == "healthy"


def test_health_answers_a_caller_with_a_key(admin):
    assert admin.health()["status"] == "healthy"


def test_an_interrupt_stops_the_server_cleanly(tmp_path):
    assert countersign.start(tmp_path).stop() == 0
