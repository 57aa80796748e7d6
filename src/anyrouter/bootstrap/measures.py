"""The numbers of /metrics that are not the relay's own counters."""

from anyrouter.bootstrap.money import measure_holds
from anyrouter.bootstrap.prices import Prices
from anyrouter.bootstrap.services import Services
from anyrouter.relay.relay import Relay
from anyrouter.storage.opening import ServingStorage
from anyrouter.web.api.ports import Measure


def list_measures(storage: ServingStorage, services: Services, prices: Prices, relay: Relay) -> list[Measure]:
    """Their values at the moment."""
    problems = len(prices.state().overlay_problems)
    return [
        Measure(name="ledger_queue", text="Entries that wait for the database.", value=storage.ledger.queue_length),
        Measure(
            name="denials_left_out",
            text="Refusals on the control plane that the audit log does not have: their actor had too many.",
            value=services.denials.left_out,
            is_counter=True,
        ),
        Measure(
            name="denials_not_recorded",
            text="Refusals on the control plane that the audit log could not take.",
            value=services.denials.failed,
            is_counter=True,
        ),
        Measure(name="models_file_problems", text="Mistakes in the operator's file of models.", value=problems),
        *measure_holds(relay),
    ]
