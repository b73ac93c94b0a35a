"""Keys that the operator brings: records are signed with them, and with no others."""

import pytest
from agentrust_trace import generate_key, key_to_jwk, verify_record
from cryptography.hazmat.primitives import serialization


def pem(key) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture
def key():
    return generate_key()


def test_the_key_in_the_environment_signs(start, key):
    world = start(environment={"TRACE_PRIVATE_KEY_PEM": pem(key)})
    assert world.jwk == key_to_jwk(key)
    verify_record(world.closed().record, key_to_jwk(key))
    assert not (world.serving.folder / "data/trace.pem").exists(), "a key was made that is not needed"


def test_the_key_in_a_file_signs(start, key, tmp_path):
    (tmp_path / "signing.pem").write_text(pem(key))
    world = start({"key_file": "signing.pem"}, folder=tmp_path)
    assert world.jwk == key_to_jwk(key)
    verify_record(world.closed().record, key_to_jwk(key))


def test_a_record_of_another_key_is_not_made_anew_when_the_key_changes(start, key, tmp_path):
    first = start(folder=tmp_path)
    closed, before = first.closed(), first.jwk
    first.serving.stop()
    second = start(environment={"TRACE_PRIVATE_KEY_PEM": pem(key)}, folder=tmp_path)
    assert second.jwk == key_to_jwk(key) != before
    answer = second.wire.get(f"/api/v1/sessions/{closed.id}/trace")
    verify_record(answer.json, before)
