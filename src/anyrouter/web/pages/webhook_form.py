"""What the forms about a webhook say. No I/O."""

from collections.abc import Mapping
from typing import Any

from anyrouter.core.webhook import ALL_EVENTS, Webhook
from anyrouter.web.pages.forms import Fields

FIELDS = ("url", "name", "events")
KIND_MEANINGS: Mapping[str, str] = {
    ALL_EVENTS: "Everything that the audit log has, also what is new in later versions.",
    "key.*": "Keys made, rotated, expiring, expired, found in public.",
    "budget.*": "Budgets nearly or wholly used up, made, changed.",
    "credits.*": "Credits given, and running low.",
    "spend.*": "Unusual spending.",
    "byok.*": "Provider credentials entered, changed, tested, deleted.",
    "credential.*": "Provider credentials put aside because they fail.",
    "member.*": "Members with other roles, or removed.",
    "invitation.*": "Invitations made, accepted, revoked.",
    "environment.*": "Environments made, changed, deleted.",
    "preset.*": "Presets made, changed, deleted.",
    "org.*": "The organisation itself changed.",
    "webhook.*": "Webhooks added, changed, deleted.",
}


def read_settings(form: Fields) -> dict[str, Any]:
    """Address, events and name, as the service takes them. What is ticked and what is typed counts together."""
    single = form.text("single_events").replace(",", " ").split()
    return {"url": form.text("url"), "events": [*form.list("events"), *single], "name": form.optional("name")}


def keep_values(form: Fields) -> dict[str, Any]:
    """What was typed, to be shown again."""
    return {name: form.text(name) for name in ("url", "name", "single_events")} | {"events": form.list("events")}


def show_values(webhook: Webhook) -> dict[str, Any]:
    """A webhook as its form shows it at first."""
    single = [event for event in webhook.events if event not in KIND_MEANINGS]
    return {"url": webhook.url, "name": webhook.name, "events": list(webhook.events), "single_events": "\n".join(single)}
