"""What ties records to what happened, to each other, and to records of other producers."""

import hashlib
import json
import time

import pytest
import rfc8785
from agentrust_trace import generate_key, key_to_jwk, sign_record, validate_json, verify_record

import chains
from test_records import ODD_NAMES


@pytest.mark.parametrize("tools", [[], ["read_file"], ODD_NAMES], ids=["nothing", "one", "odd names"])
def test_the_transcript_is_the_chain_of_the_session(world, tools):
    closed = world.closed(tools=tools)
    entries, record = closed.entries(), closed.record
    assert record["tool_transcript"] == chains.transcript(entries)
    assert record["runtime"]["measurement"] == chains.measurement(entries)
    # It begins with the start of the session and ends with its end.
    assert [entries[0]["event"]["verb"], entries[-1]["event"]["verb"]] == ["start", "close"]
    assert len(entries) == len(tools) + 2


def test_a_transcript_without_one_entry_is_another(closed):
    entries = closed.entries()
    with pytest.raises(AssertionError):
        chains.transcript(entries[:1] + entries[2:])
    assert chains.transcript(entries[:-1])["hash"] != closed.record["tool_transcript"]["hash"]


def test_the_policy_document_is_what_the_record_commits_to(closed):
    policy = closed.part("/policy")
    assert closed.record["policy"]["bundle_hash"] == f"sha256:{hashlib.sha256(policy.encode()).hexdigest()}"
    said = json.loads(policy)
    assert rfc8785.dumps(said).decode() == policy
    assert (said["format"], said["capabilities"], said["mode"]) == ("countersign.policy/1", ["*"], "read_only")


def test_a_record_of_a_delegated_session_names_its_parents_record(world):
    lender, borrower = world.agent(), world.agent()
    lenders = world.session(lender)
    delegation, borrowed = world.lend(lender, borrower)
    world.ask(borrower, borrowed, "read_file")
    parent = world.close(lenders)
    child = world.close(borrowed, parent_session=parent.id)
    # Over the whole parent, its signature too.
    digest = f"sha256:{hashlib.sha256(rfc8785.dumps(parent.record)).hexdigest()}"
    assert child.record["delegation"] == {"parent_record_hash": digest, "credential_id": delegation}
    assert "delegation" not in parent.record
    validate_json(child.record)
    verify_record(child.record, world.jwk)


def test_a_parent_that_is_open_or_of_somebody_else_is_refused_and_closes_nothing(world):
    lender, borrower = world.agent(), world.agent()
    is_open, foreign = world.session(lender), world.closed().id
    _, borrowed = world.lend(lender, borrower)
    for parent in (is_open, foreign, "sess_" + "0" * 32, borrowed):
        answer = world.wire.post(f"/api/v1/sessions/{borrowed}/close", {"parent_session": parent})
        assert answer.status == 400, answer.text
    assert world.wire.get(f"/api/v1/sessions/{borrowed}").json["status"] == "active"


def beside(subject, entries, key):
    """A record as the Agent Governance Toolkit shapes it, of the same run, by another signer."""
    return sign_record(
        {
            "eat_profile": "tag:agentrust-io.com,2026:trace-v0.2",
            "iat": int(time.time()),
            "subject": subject,
            "model": {"provider": "example", "model_id": "model-7"},
            "runtime": {"platform": "software-only", "measurement": chains.measurement(entries)},
            "policy": {"bundle_hash": f"sha256:{hashlib.sha256(b'rules').hexdigest()}", "enforcement_mode": "enforce"},
            "data_class": "internal",
            "tool_transcript": chains.transcript(entries),
            "build_provenance": {"slsa_level": 0, "digest": chains.measurement(entries)},
            "appraisal": {"status": "none", "verifier": "https://agt.local/verifier"},
        },
        key,
    )


def linked(one, other) -> bool:
    """Two records speak of one run of one agent."""
    same_bytes = one["tool_transcript"]["hash"] == other["tool_transcript"]["hash"]
    return one["subject"] == other["subject"] and same_bytes


def test_a_record_of_the_toolkit_and_ours_link_by_subject_and_transcript(world):
    """The toolkit's runtime needs nothing of ours but the entries of the session."""
    did, key = "did:web:acme.example:agent-7", generate_key()
    agent = world.agent(metadata={"did": did})
    closed, another = world.closed(agent=agent), world.closed(agent=agent)
    theirs = beside(did, closed.entries(), key)
    validate_json(theirs)
    verify_record(theirs, key_to_jwk(key))
    verify_record(closed.record, world.jwk)
    assert linked(theirs, closed.record)
    # The same agent in another session, and another agent, are something else.
    assert not linked(theirs, another.record)
    assert not linked(theirs, {**closed.record, "subject": "did:web:acme.example:agent-8"})
