"""The transcript form `countersign-chain/1`, written from docs/reference/entry-format.md."""

import hashlib

import rfc8785


def head(entries) -> str:
    """Where the chain of these entries ends: 64 hex digits."""
    at = "0" * 64
    for entry in entries:
        assert entry["chain"]["prev"] == at, "the chain does not continue here"
        at = hashlib.sha256(at.encode() + rfc8785.dumps(entry)).hexdigest()
    return at


def transcript(entries) -> dict:
    """What a record says of the transcript of these entries."""
    decisions = [entry for entry in entries if entry["kind"] == "decision"]
    return {"hash": f"sha256:{head(entries)}", "call_count": len(decisions)}


def measurement(entries) -> str:
    return "sha256:" + hashlib.sha256(head(entries).encode()).hexdigest()
