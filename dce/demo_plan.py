"""The demo's plan: configs/demo_plan.yaml, fitted to this machine's addresses."""

import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from sip.edge.address import bracketed
from sip.uri import parse_uri
from vocabulary.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[1]
INSTALLED = Path(sys.prefix) / "share" / "dce" / "demo_plan.yaml"
PLAN_FILE = CHECKOUT / "configs" / "demo_plan.yaml"
if not PLAN_FILE.exists():
    PLAN_FILE = INSTALLED
# What --lan lets in: private (RFC 1918), link-local (RFC 3927) and unique local (RFC 4193).
PRIVATE_NETWORKS = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)
OPENED = "home"
OPEN_SCHEDULE = "always"

Plan = dict[str, Any]


def read_demo_plan(path: Path = PLAN_FILE) -> Plan:
    """The plan as its file has it. Raises ConfigError where neither checkout nor install has it."""
    try:
        document: Plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    return document


def fit_plan(
    plan: Plan, networks: Sequence[str], phones: Mapping[str, Callable[[str], tuple[str, int]]]
) -> Plan:
    """A copy that trusts further networks and dials each target at its phone.

    phones: target → function of a transport ("UDP", "TCP") that gives (host, port).
    """
    fitted = deepcopy(plan)
    known = fitted["trunks"][0]["networks"]
    known += [network for network in networks if network not in known]
    for target in fitted["targets"]:
        uri = parse_uri(target["uri"].encode())
        transport = (uri.params.get(b"transport") or b"udp").decode()
        host, port = phones[target["id"]](transport.upper())
        target["uri"] = (
            f"sip:{uri.user.decode()}@{bracketed(host)}:{port};transport={transport}"
        )
    return fitted


def open_home(plan: Plan) -> Plan:
    """A copy in which the campaign that was closed takes calls: the second plan of the demo."""
    opened = deepcopy(plan)
    for campaign in opened["campaigns"]:
        if campaign["id"] == OPENED:
            campaign["schedule"] = OPEN_SCHEDULE
    return opened


def desk_addresses(plan: Plan) -> dict[str, tuple[str, int]]:
    """Target → (host, port) as the file has it."""
    found = {}
    for target in plan["targets"]:
        uri = parse_uri(target["uri"].encode())
        found[target["id"]] = (uri.host.decode().strip("[]"), uri.port or 5060)
    return found


def unmet_criteria(
    bid: Mapping[str, Any], vertical: str, state: str, attestation: str
) -> str:
    """Why a bid is no candidate for a call: the first of its criteria that asks for another one.

    vertical: of the campaign; state: of the caller, "" unknown; attestation: of the call.
    """
    criteria = bid.get("criteria", {})
    had = {"verticals": vertical, "states": state, "attestation": attestation}
    for name, value in had.items():
        asked = criteria.get(name, [])
        if asked and value not in asked:
            also = "" if name == "verticals" else f"; this call: {value or 'unknown'}"
            return f"asks for {name} {', '.join(asked)}{also}"
    return "asks for other places or hours"
