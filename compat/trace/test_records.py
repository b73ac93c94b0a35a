"""`agentrust_trace`, the reference library, on records that this server wrote."""

import base64

import jsonschema
import pytest
from agentrust_trace import generate_key, key_to_jwk, sign_record, validate_json, verify_record
from cryptography.exceptions import InvalidSignature

REFUSED = (ValueError, InvalidSignature, jsonschema.ValidationError)

KEY = generate_key()

# For every member at the top of a record of a server with a public URL: another
# value of it that the schema allows, but for the profile.
OTHER = {
    "appraisal": {"status": "affirming", "verifier": "https://countersign.invalid/not-appraised"},
    "build_provenance": {"slsa_level": 3, "digest": f"sha256:{'0' * 64}"},
    "cnf": {"jwk": key_to_jwk(KEY)},
    "data_class": "public",
    "eat_profile": "tag:agentrust.io,2026:trace-v0.1",
    "iat": 1_700_000_000,
    "model": {"provider": "unknown", "model_id": "another"},
    "policy": {"bundle_hash": f"sha256:{'0' * 64}", "enforcement_mode": "enforce"},
    "runtime": {"platform": "intel-tdx", "measurement": f"sha256:{'0' * 64}"},
    "signature": "A" * 86,
    "subject": "spiffe://countersign.invalid/agent/another",
    "tool_transcript": {"hash": f"sha256:{'0' * 64}", "call_count": 0},
    "transparency": "https://elsewhere.example/",
}

ODD_NAMES = ["lire_données", "读取_文件", "read_🗝", "read_\u2028\ufffd", 'read_"quo\\te"', "читать"]


def accept(record, jwk, **more):
    """Fails unless the schema and the library accept the record under that key."""
    validate_json(record)
    assert verify_record(record, jwk, **more).trusted_key_thumbprint


def test_a_record_is_valid_and_verifies_under_the_published_key(world, closed):
    accept(closed.record, world.jwk, expected_nonce="challenge-1")


def test_a_record_has_exactly_the_members_that_are_tried_below(closed):
    assert set(closed.record) == set(OTHER)


@pytest.mark.parametrize("member", sorted(OTHER))
def test_no_member_can_be_changed(world, closed, member):
    changed = {**closed.record, member: OTHER[member]}
    assert changed != closed.record
    # What the signature covers, the schema would let pass.
    is_told_before = member in ("cnf", "eat_profile")
    if member != "eat_profile":
        validate_json(changed)
    with pytest.raises(ValueError if is_told_before else InvalidSignature):
        verify_record(changed, world.jwk, max_age_seconds=None)


@pytest.mark.parametrize("member", sorted(OTHER))
def test_no_member_can_be_taken_away(world, closed, member):
    changed = {name: value for name, value in closed.record.items() if name != member}
    with pytest.raises(REFUSED):
        verify_record(changed, world.jwk)


def test_another_key_does_not_verify_it(closed):
    with pytest.raises(REFUSED):
        accept(closed.record, key_to_jwk(generate_key()))


def test_a_record_signed_anew_by_somebody_else_does_not_verify(world, closed):
    forged = sign_record({**closed.record, "data_class": "public"}, generate_key())
    accept(forged, forged["cnf"]["jwk"])
    with pytest.raises(REFUSED):
        accept(forged, world.jwk)


def test_the_nonce_is_the_one_that_was_asked_for(world, closed):
    with pytest.raises(ValueError, match="nonce"):
        accept(closed.record, world.jwk, expected_nonce="challenge-2")
    without = world.closed()
    assert "nonce" not in without.record["runtime"]
    with pytest.raises(ValueError, match="nonce"):
        accept(without.record, world.jwk, expected_nonce="challenge-1")


def test_a_session_with_tool_names_of_every_kind_verifies(world):
    closed = world.closed(tools=ODD_NAMES)
    accept(closed.record, world.jwk)
    assert closed.record["tool_transcript"]["call_count"] == len(ODD_NAMES)


def test_a_subject_and_a_data_class_that_are_not_ascii_verify(start):
    world = start({"data_class": "vertraulich – geheim", "model_provider": "Ünïcode 株式会社 🔑"})
    closed = world.closed(agent=world.agent(metadata={"did": "did:web:bücher.example"}))
    record = closed.record
    assert record["data_class"] == "vertraulich – geheim"
    assert record["subject"] == "did:web:bücher.example"
    accept(record, world.jwk)


def test_the_record_is_the_same_whoever_asks_and_however_often(world, closed):
    assert closed.part("") == closed.part("")
    signature = closed.record["signature"]
    assert len(base64.urlsafe_b64decode(signature + "==")) == 64
