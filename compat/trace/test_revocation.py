"""A bundle that `countersign trace revoke-key` printed, read by the reference library."""

import json
import subprocess

import pytest
from agentrust_trace import generate_key, jwk_thumbprint, key_to_jwk, verify_record

import countersign
from test_keys import pem

LOG = "countersign.example/log"


@pytest.fixture
def authority():
    """The key that stands above those that sign records."""
    return generate_key()


@pytest.fixture
def revoke(authority, tmp_path):
    def bundle(jwk):
        (tmp_path / "authority.pem").write_text(pem(authority))
        command = [countersign.find_binary(), "trace", "revoke-key", "--key-id", jwk_thumbprint(jwk)]
        command += ["--last-valid-entry", "41", "--log", LOG, "--signing-key", tmp_path / "authority.pem"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return bundle


def outcome(closed, bundle, authority):
    record, jwk = closed.record, closed.world.jwk
    trusted = [key_to_jwk(authority)]
    return verify_record(record, jwk, revocation_bundle=bundle, trusted_bundle_keys=trusted).revocation


def test_a_revoked_key_is_refused(world, closed, authority, revoke):
    bundle = revoke(world.jwk)
    assert (bundle["log_id"], bundle["statements"][0]["last_valid_entry_id"]) == (LOG, "41")
    with pytest.raises(ValueError, match="revoked"):
        outcome(closed, bundle, authority)


def test_a_bundle_about_another_key_vouches_for_this_one(closed, authority, revoke):
    assert outcome(closed, revoke(key_to_jwk(generate_key())), authority).outcome == "verified"


def test_a_bundle_that_was_changed_or_is_of_somebody_else_vouches_for_nothing(closed, authority, revoke):
    bundle = revoke(key_to_jwk(generate_key()))
    changed = {**bundle, "valid_until": bundle["valid_until"] + 1}
    assert outcome(closed, changed, authority).outcome == "unverified_for_revocation"
    assert outcome(closed, bundle, generate_key()).outcome == "unverified_for_revocation"
