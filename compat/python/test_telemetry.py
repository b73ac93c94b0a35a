"""Telemetry: every event any SDK sends is accepted and counted."""

from datetime import datetime, timezone


def test_a_batch_is_accepted_and_counted(admin, new_agent):
    events = [
        {"event_type": "tool_start", "tool_name": "web_search"},
        {"event_type": "tool_end", "tool_name": "web_search", "duration_ms": 12, "success": True},
        {
            "event_type": "tool_error",
            "tool_name": "web_search",
            "duration_ms": 3,
            "success": False,
            "error_type": "TimeoutError",
            "timestamp": datetime.now(timezone.utc).isoformat(),
        },
    ]
    reply = admin.telemetry.report(new_agent("web_search").id, "a-session-of-the-clients-own", events)
    assert reply["accepted"] is True
    assert reply["events_processed"] == 3


def test_nanosecond_and_offset_timestamps_are_accepted(admin, new_agent):
    events = [
        {"event_type": "tool_end", "tool_name": "web_search", "success": True, "timestamp": timestamp}
        for timestamp in ("2026-01-02T03:04:05.123456789+00:00", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05.5+02:00")
    ]
    reply = admin.telemetry.report(new_agent("web_search").id, "a-session-of-the-clients-own", events)
    assert reply["events_processed"] == 3


def test_telemetry_about_a_server_issued_session_is_accepted(admin, new_agent, new_session):
    agent = new_agent("web_search")
    event = {"event_type": "task_end", "tool_name": "crew", "success": True}
    reply = admin.telemetry.report(agent.id, new_session(agent).session_id, [event])
    assert reply["accepted"] is True
