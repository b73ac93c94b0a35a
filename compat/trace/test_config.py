"""The names of the Agent Governance Toolkit's `TraceConfig`, set in `[trace]`."""

import json

import pytest
from agentrust_trace import validate_json, verify_record

SET = {
    "model_provider": "example",
    "model_id": "model-7",
    "model_version": "2026-11",
    "build_provenance_slsa_level": 2,
    "build_provenance_digest": f"sha256:{'ab' * 32}",
    "appraisal_verifier": "https://verifier.example/appraise",
    "data_class": "restricted",
}


def test_what_is_set_is_in_the_record(start):
    world = start({**SET, "trust_domain": "agents.example"})
    agent = world.agent()
    record = world.closed(agent=agent).record
    assert record["model"] == {"provider": "example", "model_id": "model-7", "version": "2026-11"}
    assert record["build_provenance"] == {"slsa_level": 2, "digest": f"sha256:{'ab' * 32}"}
    assert record["appraisal"] == {"status": "none", "verifier": "https://verifier.example/appraise"}
    assert record["data_class"] == "restricted"
    assert record["subject"] == f"spiffe://agents.example/agent/{agent}"
    validate_json(record)
    verify_record(record, world.jwk)


@pytest.mark.parametrize("name", ["spiffe_id", "did"])
def test_an_agent_is_called_what_its_registrant_says(world, name):
    said = {"spiffe_id": "spiffe://acme.example/billing", "did": "did:web:acme.example:billing"}[name]
    record = world.closed(agent=world.agent(metadata={name: said})).record
    assert record["subject"] == said
    validate_json(record)


def test_records_are_written_to_a_folder_under_the_toolkits_names(start, tmp_path):
    world = start({"output_path": "records/"}, folder=tmp_path)
    first, second = world.closed(), world.closed()
    for closed in (first, second):
        # The toolkit's own pattern: when it was issued, and what the session's id begins with.
        file = tmp_path / "records" / f"trace-{closed.record['iat']}-{closed.id[:16]}.json"
        assert json.loads(file.read_text()) == closed.record
    assert len(list((tmp_path / "records").iterdir())) == 2


def test_records_are_written_to_a_file_the_latest_last(start, tmp_path):
    world = start({"output_path": "deep/er/record.json"}, folder=tmp_path)
    world.closed()
    latest = world.closed()
    assert json.loads((tmp_path / "deep/er/record.json").read_text()) == latest.record
