"""The rules of `bench/src/policies.rs`, in the Agent Governance Toolkit's own policy engine.

Prints the median time of a decision in microseconds, as JSON.
"""

import json
import statistics
import time

from agentmesh.governance.policy import PolicyEngine

RULES = 100
ROUNDS = 2_000


def engine(condition):
    rules = [{"name": f"r{n}", "condition": condition(n), "action": "deny"} for n in range(RULES)]
    policy = {
        "apiVersion": "governance.toolkit/v1",
        "name": "bench",
        "agents": ["*"],
        "default_action": "allow",
        "rules": rules,
    }
    made = PolicyEngine(conflict_strategy="deny_overrides")
    made.load_json(json.dumps(policy))
    return made


def median(condition):
    made = engine(condition)
    asked = {"action": {"tool": "payments/get_quote", "amount": 12}}
    assert made.evaluate("did:mesh:bench", asked).allowed
    refused = {"action": {"tool": "payments/get_quote", "amount": 10**6}}
    assert not made.evaluate("did:mesh:bench", refused).allowed
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        made.evaluate("did:mesh:bench", asked)
        took.append(time.perf_counter_ns() - began)
    return statistics.median(took) / 1000


def of_many_tools(n):
    tool = "payments/get_quote" if n == 0 else f"payments/tool-{n}"
    return f"action.tool == '{tool}' and action.amount > 1000"


def of_one_tool(n):
    return f"action.tool == 'payments/get_quote' and action.amount > {1000 + n}"


print(json.dumps({"many_tools_us": median(of_many_tools), "one_tool_us": median(of_one_tool)}))
