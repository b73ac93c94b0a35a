#!/usr/bin/env python3
"""Verifies a receipt of a Countersign log, and shares no code with Countersign.

    verify_receipt.py VKEY RECEIPT [ENTRY]

VKEY is a file with the log's key, as you were given it; RECEIPT one of the form
c2sp.org/tlog-proof@v1; ENTRY the entry's bytes, where not those in the receipt.
Prints the entry, which is then as the log has it. Exit code 1: it is not.
Needs Python 3.8 and `cryptography`.
"""

import base64
import hashlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotVerified(Exception):
    pass


def require(holds, why):
    if not holds:
        raise NotVerified(why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    return base64.b64decode(text, validate=True)


def open_note(note, vkey):
    """The text of a note that the key signed: c2sp.org/signed-note."""
    name, key_id, key = vkey.strip().split("+", 2)
    key = unbase64(key)
    require(key[0] == 1 and sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "this is no Ed25519 verifier key")
    text, _, signatures = note.rpartition("\n\n")
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = unbase64(signature)
        if (dash, signer, signature[:4].hex()) == ("—", name, key_id):
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], (text + "\n").encode())
            return name, text
    raise NotVerified(f"{name} did not sign the checkpoint")


def root_over(leaf, index, size, proof):
    """The root that a proof leads to from a leaf: RFC 9162, section 2.1.3.2."""
    require(0 <= index < size, "the index is beyond the tree")
    last, reached = size - 1, leaf
    for sibling in proof:
        require(last > 0, "the proof is too long")
        if index & 1 or index == last:
            reached = sha256(b"\1", sibling, reached)
            while index & 1 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            reached = sha256(b"\1", reached, sibling)
        index, last = index >> 1, last >> 1
    require(last == 0, "the proof is too short")
    return reached


def verify(vkey, receipt, entry=None):
    """The log's name, the entry's index, the size of the tree, and the entry."""
    proof, _, note = receipt.partition("\n\n")
    header, *lines = proof.split("\n")
    require(header == "c2sp.org/tlog-proof@v1", "this is no receipt")
    if lines[0].startswith("extra "):
        # Nobody signed what is here. The proof shows whether the tree holds it.
        extra = unbase64(lines.pop(0)[len("extra ") :])
        entry = extra if entry is None else entry
    require(entry is not None, "the receipt holds no entry: name a file that does")
    require(lines[0].startswith("index "), "this is no receipt")
    index = int(lines.pop(0)[len("index ") :])
    name, text = open_note(note, vkey)
    origin, size, root = text.split("\n")[:3]
    require(origin == name, "the checkpoint is of another log")
    reached = root_over(sha256(b"\0", entry), index, int(size), [unbase64(line) for line in lines])
    require(reached == unbase64(root), "the tree does not hold this entry at this index")
    return name, index, int(size), entry


if __name__ == "__main__":
    files = [open(path, "rb").read() for path in sys.argv[1:]]
    try:
        name, index, size, entry = verify(*(file.decode() for file in files[:2]), *files[2:])
    except (NotVerified, InvalidSignature, ValueError, IndexError, TypeError) as why:
        sys.exit(f"not verified: {why or type(why).__name__}")
    print(f"entry {index} of {size} in {name}, verified", file=sys.stderr)
    sys.stdout.buffer.write(entry + b"\n")
