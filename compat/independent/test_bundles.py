"""Bundles of a live server, read by a verifier that shares no code with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import countersign

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def bundle(log, server, tmp_path_factory):
    """The log's key, and the bundle of a closed session."""
    folder = tmp_path_factory.mktemp("bundle")
    log.wire.post("/mcp/servers", {"name": "bundled", "url": "http://localhost:9001", "capabilities": ["*"]})
    known = log.wire.get("/mcp/servers").json["servers"][0]["id"]
    session = log.wire.post("/mcp/sessions/init", {"agent_id": server.agent_id, "server_id": known}).json["session_id"]
    for tool in ("read_file", "delete_file", "web_search"):
        log.decide(tool, session)
    log.wire.post(f"/api/v1/sessions/{session}/close", {})
    key, out = folder / "vkey", folder / "bundle.tar"
    key.write_text(log.vkey)
    command = [countersign.find_binary(), "evidence", "bundle", "--session", session, "--out", out]
    keys = {"COUNTERSIGN_URL": server.url, "COUNTERSIGN_API_KEY": server.admin_key}
    subprocess.run(command, env={**os.environ, **keys}, check=True, timeout=60)
    return key, out


def verify(key, bundle):
    command = [sys.executable, "-B", HERE / "verify_bundle.py", key, bundle]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_bundle_verifies_with_a_verifier_that_was_written_from_its_specification(bundle):
    ran = verify(*bundle)
    assert ran.returncode == 0, ran.stderr
    assert "1 records, verified" in ran.stdout


def test_a_changed_byte_is_found_wherever_it_is(bundle, tmp_path):
    key, right = bundle
    whole, wrong = right.read_bytes(), tmp_path / "wrong.tar"
    for at in range(0, len(whole), 509):
        changed = bytearray(whole)
        changed[at] ^= 1
        wrong.write_bytes(changed)
        ran = verify(key, wrong)
        assert ran.returncode == 1 and ran.stderr.startswith("not verified: "), f"byte {at}: {ran}"


def test_another_logs_key_does_not_verify_it(bundle, tmp_path):
    _, right = bundle
    other = tmp_path / "vkey"
    other.write_text("example.com/log+4ca19e2e+AW6eFbnc9WOWwg9lw4bJNm5ALSuIfmI0cODTz3qPMPwE\n")
    assert verify(other, right).returncode == 1
