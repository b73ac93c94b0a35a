"""Receipts of a live server, read by verifiers that share no code with it."""

import base64
import json

import pytest


@pytest.fixture(scope="module")
def decided(log):
    """Decisions in trees of several sizes, with their receipts."""
    return {check: log.receipt_of(check) for check in (log.decide(f"read_{number}") for number in range(12))}


def accepted(ran):
    assert ran.returncode == 0, ran.stderr.decode()
    assert b", verified" in ran.stderr
    return ran.stdout


def refused(ran):
    assert ran.returncode == 1, ran.stdout.decode()
    assert ran.stderr.startswith(b"not verified: "), ran.stderr.decode()
    assert ran.stdout == b""


def test_receipts_verify_and_hold_the_entry_that_the_api_shows(verify, log, decided):
    for check, receipt in decided.items():
        entry = accepted(verify(log.vkey, receipt))
        assert json.loads(entry) == log.wire.get(f"/api/v1/decisions/{check}").json["entry"]
        assert json.loads(entry)["event"]["id"] == check


def test_the_receipt_of_a_trust_record_verifies_and_names_the_session(verify, log, server):
    servers = log.wire.post("/mcp/servers", {"name": "any", "url": "http://localhost:9000", "capabilities": ["*"]})
    # Both verifiers ask; the name is taken the second time.
    known = servers.json["id"] if servers.status == 201 else log.wire.get("/mcp/servers").json["servers"][0]["id"]
    opened = log.wire.post("/mcp/sessions/init", {"agent_id": server.agent_id, "server_id": known})
    session = opened.json["session_id"]
    log.decide("read_file", session)
    log.wire.post(f"/api/v1/sessions/{session}/close", {})
    entry = json.loads(accepted(verify(log.vkey, log.receipt(f"/api/v1/sessions/{session}/trace/proof"))))
    assert (entry["kind"], entry["event"]["session"]) == ("trace", session)


def lines(receipt):
    """The parts of a receipt: its entry, its index, its hashes, and the checkpoint."""
    proof, _, note = receipt.partition("\n\n")
    _, extra, index, *hashes = proof.split("\n")
    return extra, index, hashes, note


def joined(extra, index, hashes, note):
    return "\n".join(["c2sp.org/tlog-proof@v1", extra, index, *hashes]) + "\n\n" + note


def with_another_entry(receipt):
    extra, *rest = lines(receipt)
    entry = base64.b64decode(extra.removeprefix("extra ")).replace(b'"allow"', b'"deny"')
    entry = entry.replace(b"agent_", b"agent-")
    return joined(f"extra {base64.b64encode(entry).decode()}", *rest)


def with_another_index(receipt):
    extra, index, hashes, note = lines(receipt)
    return joined(extra, f"index {int(index.removeprefix('index ')) - 1}", hashes, note)


def with_an_index_beyond_the_tree(receipt):
    extra, _, hashes, note = lines(receipt)
    return joined(extra, f"index {2**40}", hashes, note)


def with_a_hash_less(receipt):
    extra, index, hashes, note = lines(receipt)
    return joined(extra, index, hashes[:-1], note)


def with_a_hash_more(receipt):
    extra, index, hashes, note = lines(receipt)
    return joined(extra, index, [*hashes, hashes[0]], note)


def with_hashes_swapped(receipt):
    extra, index, hashes, note = lines(receipt)
    assert len(hashes) > 1 and hashes[0] != hashes[1]
    return joined(extra, index, [hashes[1], hashes[0], *hashes[2:]], note)


def with_another_root(receipt):
    *rest, note = lines(receipt)
    origin, size, root, *more = note.split("\n")
    return joined(*rest, "\n".join([origin, size, base64.b64encode(b"r" * 32).decode(), *more]))


def with_another_size(receipt):
    *rest, note = lines(receipt)
    origin, size, *more = note.split("\n")
    return joined(*rest, "\n".join([origin, str(int(size) + 1), *more]))


def without_a_signature(receipt):
    return receipt[: receipt.index("\n— ")] + "\n"


def with_a_spoiled_signature(receipt):
    signature = receipt.rsplit(" ", 1)[1].strip()
    spoiled = bytearray(base64.b64decode(signature))
    spoiled[40] ^= 1
    return receipt.replace(signature, base64.b64encode(spoiled).decode())


def cut_off(receipt):
    return receipt[: len(receipt) // 2]


def nothing(_):
    return ""


@pytest.mark.parametrize(
    "spoil",
    [
        with_another_entry, with_another_index, with_an_index_beyond_the_tree, with_a_hash_less, with_a_hash_more,
        with_hashes_swapped, with_another_root, with_another_size, without_a_signature, with_a_spoiled_signature,
        cut_off, nothing,
    ],
    ids=lambda spoil: spoil.__name__,
)  # fmt: skip
def test_a_spoiled_receipt_is_refused(verify, log, decided, spoil):
    receipt = list(decided.values())[5]
    assert spoil(receipt) != receipt
    refused(verify(log.vkey, spoil(receipt)))


def test_a_receipt_under_another_logs_key_is_refused(verify, decided):
    # The key of the Go checksum database.
    other = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    refused(verify(other, list(decided.values())[0]))


def test_a_key_whose_hash_is_not_its_own_is_refused(verify, log, decided):
    name, key_id, key = log.vkey.split("+", 2)
    refused(verify(f"{name}+{'0' * 8}+{key}", list(decided.values())[0]))
