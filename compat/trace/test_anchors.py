"""`trace-verify`: that a record is in the batch its anchor says, and who signed it."""

import hashlib
import json

import pytest
from agentrust_trace import generate_key, key_to_jwk

from tools import trace_verify
from test_records import ODD_NAMES


@pytest.fixture
def anchored(world, write):
    """The files an auditor has of a session: claim, proof, entry and the key of the producer."""

    def files(closed, jwk=None):
        entry = json.loads(closed.part("/anchor"))
        producer = entry["producer"]
        registration = {"producer_id": producer, "key_type": "Ed25519", "public_key_jwk": jwk or world.jwk}
        return [
            write(f"{closed.id}/record.json", closed.part("")),
            write(f"{closed.id}/receipt.json", closed.part("/receipt")),
            write(f"{closed.id}/entry.json", entry),
            write(f"{closed.id}/{producer.replace('/', '-')}.json", registration).parent,
        ]

    return files


def test_a_record_is_in_its_anchor_and_signed_by_the_producer(closed, anchored):
    ran = trace_verify(*anchored(closed))
    assert ran.code == 0, ran.text


def test_a_record_of_a_session_with_odd_tool_names_is_in_its_anchor(world, anchored):
    ran = trace_verify(*anchored(world.closed(tools=ODD_NAMES)))
    assert ran.code == 0, ran.text


def test_the_anchor_of_one_record_is_not_that_of_another(world, closed, anchored):
    claim, _, _, producers = anchored(closed)
    _, receipt, entry, _ = anchored(world.closed())
    ran = trace_verify(claim, receipt, entry, producers)
    assert ran.code == 1, ran.text


def test_a_record_under_another_producers_key_is_refused(closed, anchored):
    ran = trace_verify(*anchored(closed, jwk=key_to_jwk(generate_key())))
    assert ran.code == 1, ran.text


def test_the_root_is_the_one_that_the_ledger_holds(world, closed):
    receipt, entry = json.loads(closed.part("/receipt")), anchor_entry(world, closed)
    assert entry["kind"] == "trace"
    event = entry["event"]
    record = hashlib.sha256(b"\0" + sorted_key(closed.record)).hexdigest()
    assert event["merkle_root"] == receipt["merkle_root"] == f"sha256:{record}"
    assert (event["session"], event["leaf_count"]) == (closed.id, 1)


def sorted_key(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def anchor_entry(world, closed):
    """The entry that anchors the record, found on the chain of the agent."""
    found = world.wire.get("/api/v1/accountability/entries?limit=1000").json["entries"]
    entries = [proven["entry"] for proven in found]
    [entry] = [entry for entry in entries if entry["kind"] == "trace" and entry["event"]["session"] == closed.id]
    assert entry["chain"]["id"] == entry["event"]["agent"]
    return entry
