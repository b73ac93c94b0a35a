#!/usr/bin/env python3
"""Verifies a bundle of Countersign, and shares no code with Countersign.

    verify_bundle.py VKEY BUNDLE.tar [JWK]

VKEY is a file with the log's key, as you were given it, and JWK one with the key
that signs its records; without that, the log must name the key of every record.
Written from docs/reference/bundle.md. Exit code 1: something in it is not what it
says. Needs Python 3.8 and `cryptography`.
"""

import base64
import hashlib
import json
import sys
import tarfile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify_receipt import NotVerified, open_note, require, root_over, sha256, unbase64, verify

FIELDS = ["manifest.json", "README.txt", "log.vkey", "trace.jwk.json", "entries.jsonl"]


def canonical(value):
    """RFC 8785 for what bundles hold: no floats, and names that are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hexdigest(data):
    return hashlib.sha256(data).hexdigest()


def read_files(path):
    """The files of the tar, in order, and nothing beside them."""
    whole = open(path, "rb").read()
    files, end = {}, 0
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            require(member.isreg() and member.offset == end and member.name not in files, f"{member.name}: not its place")
            files[member.name] = whole[member.offset_data : member.offset_data + member.size]
            end = member.offset_data + (member.size + 511) // 512 * 512
            require(not any(whole[member.offset_data + member.size : end]), f"something follows {member.name}")
    require(whole[end:] == bytes(1024), "something follows the files")
    return files


def check_manifest(files):
    require(next(iter(files)) == "manifest.json", "the manifest is not first")
    manifest = json.loads(files["manifest.json"])
    require(canonical(manifest) == files["manifest.json"], "the manifest is not canonical")
    digest = manifest.pop("digest")
    require(hexdigest(canonical(manifest)) == digest, "the manifest was changed")
    require(manifest["format"] == "countersign.bundle/1", "unknown format")
    found = {n: {"sha256": hexdigest(b), "size": len(b)} for n, b in files.items() if n != "manifest.json"}
    require(found == manifest["files"], "the files are not those of the manifest")
    known = [name for name in files if name in FIELDS or name.split("/")[0] in ("trace", "policies")]
    require(len(known) == len(files), "a file is no part of a bundle")
    return manifest


def consistent(old_size, old_root, size, root, proof):
    """Whether the tree begins with the old one: RFC 9162, section 2.1.4.2."""
    require(0 < old_size < size, "a checkpoint goes back")
    if old_size & (old_size - 1) == 0:
        proof = [old_root, *proof]
    first, last = old_size - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    require(proof, "a consistency proof is too short")
    old = new = proof[0]
    for sibling in proof[1:]:
        require(last > 0, "a consistency proof is too long")
        if first & 1 or first == last:
            old, new = sha256(b"\1", sibling, old), sha256(b"\1", sibling, new)
            while first & 1 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            new = sha256(b"\1", new, sibling)
        first, last = first >> 1, last >> 1
    require((old, new, last) == (old_root, root, 0), "a checkpoint does not continue the one before")


def replay(lines, vkey):
    """Every chain: its head, its length, its decisions, and whether it is whole."""
    chains, head = {}, None
    for line in lines:
        read = json.loads(line)
        if "checkpoint" in read:
            name, text = open_note(read["checkpoint"], vkey)
            origin, size, root = text.split("\n")[:3]
            require(origin == name, "a checkpoint of another log")
            size, root = int(size), unbase64(root)
            if head:
                consistent(*head, size, root, [unbase64(hash) for hash in read["consistency"]])
            head = size, root
            continue
        entry, index = canonical(read["entry"]), read["index"]
        proof = [unbase64(hash) for hash in read["proof"]]
        require(root_over(sha256(b"\0", entry), index, head[0], proof) == head[1], f"entry {index} is not in the tree")
        at = read["entry"]["chain"]
        prev, length, calls, whole = chains.get(at["id"], ("0" * 64, 0, 0, True))
        require(at["index"] >= length, f"entry {index} is out of order")
        if at["index"] > length:
            prev, length, whole = at["prev"], at["index"], False
        require(at["prev"] == prev, f"entry {index} does not continue its chain")
        calls += read["entry"]["kind"] == "decision"
        chains[at["id"]] = hexdigest(prev.encode() + entry), length + 1, calls, whole
    return chains


def check_record(session, files, chains, vkey, trusted):
    record = json.loads(files[f"trace/{session}.json"])
    jwk = record["cnf"]["jwk"]
    named = jwk["x"] == trusted if trusted else False
    unsigned = {name: value for name, value in record.items() if name != "signature"}
    key = Ed25519PublicKey.from_public_bytes(base64url(jwk["x"]))
    key.verify(base64url(record["signature"]), canonical(unsigned))
    head, _, calls, whole = chains[session]
    require(whole, f"{session}: its entries are not all here")
    transcript = record["tool_transcript"]
    require(transcript == {"hash": f"sha256:{head}", "call_count": calls}, f"{session}: another transcript")
    policy = record["policy"]["bundle_hash"].split(":")[1]
    require(hexdigest(files[f"policies/{policy}.json"]) == policy, f"{session}: another policy")
    anchor = files.get(f"trace/{session}.tlog-proof")
    if anchor:
        _, _, _, entry = verify(vkey, anchor.decode())
        event = json.loads(entry)["event"]
        members = {"crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"]}
        thumbprint = base64.urlsafe_b64encode(sha256(canonical(members))).rstrip(b"=").decode()
        receipt = json.loads(files[f"trace/{session}.receipt.json"])
        said = event["record"], event["session"], event["key"], event["merkle_root"]
        here = f"sha256:{hexdigest(canonical(record))}", session, thumbprint, receipt["merkle_root"]
        require(said == here, f"{session}: the log anchors another record")
    require(named if trusted else anchor, f"{session}: signed by an unknown key")


def main(vkey, bundle, jwk=None):
    vkey = open(vkey).read()
    trusted = json.load(open(jwk))["x"] if jwk else None
    files = read_files(bundle)
    manifest = check_manifest(files)
    chains = replay(files["entries.jsonl"].decode().splitlines(), vkey)
    asked = manifest["asked"].get("session")
    require(asked is None or chains[asked][3], "the session is not whole")
    sessions = [n[6:-5] for n in files if n.startswith("trace/") and n.endswith(".json") and not n.endswith(".receipt.json")]
    for session in sessions:
        check_record(session, files, chains, vkey, trusted)
    return sum(length for _, length, _, whole in chains.values() if whole), len(sessions)


if __name__ == "__main__":
    try:
        entries, records = main(*sys.argv[1:])
    except (NotVerified, InvalidSignature, tarfile.TarError, ValueError, LookupError, TypeError) as why:
        sys.exit(f"not verified: {why or type(why).__name__}")
    print(f"{entries} entries of whole chains and {records} records, verified")
