"""Requests that are to succeed refer to what is there: made-up keys and tokens would only be refused.

What is generated to be wrong stays as it is.
"""

import itertools
import uuid

import schemathesis
from schemathesis.generation import GenerationMode

_KEY = "Idempotency-Key"
_TOKEN = "Souk-Consistency"
_last = {}
_questions = itertools.count()
_purchases = itertools.count()
_commands = itertools.count()
_orders = {}
_STATUS_NEEDED = {
    "/v1/orders/{id}/cancel": "placed",
    "/v1/orders/{id}/confirm": "placed",
    "/v1/orders/{id}/fulfil": "confirmed",
    "/v1/orders/{id}/complete": "fulfilled",
}
# As in the examples of the description, and in the local cloud's demo shop.
_EXAMPLE = {"sku": "TEA-GREEN-100G", "currency": "EUR"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is not None and case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    headers = case.headers
    if headers is not None and _KEY in headers:
        # Each command is a new one.
        headers[_KEY] = _last[_KEY] = str(uuid.uuid4())
    if headers is not None and _TOKEN in headers:
        # The token of the last write.
        if _TOKEN in _last:
            headers[_TOKEN] = _last[_TOKEN]
        else:
            del headers[_TOKEN]
    if case.path in ("/v1/orders", "/v1/quotes") and isinstance(case.body, dict):
        # Every other time what a shop sells.
        if next(_purchases) % 2 == 0:
            case.body["currency"] = _EXAMPLE["currency"]
            for line in case.body["lines"]:
                line["sku"] = _EXAMPLE["sku"]
    if case.path in _STATUS_NEEDED and next(_commands) % 2 == 0:
        # Every other time an order that can take the command, all of it and in any version.
        able = [id for id, status in _orders.items() if status == _STATUS_NEEDED[case.path]]
        if able:
            case.path_parameters["id"] = able[-1]
            headers.pop("If-Match", None)
            if case.path.endswith("/fulfil"):
                case.body = {}
    if case.path.startswith("/v1/idempotency-keys/") and _KEY in _last:
        # Every other time a key that was used.
        if next(_questions) % 2 == 0:
            case.path_parameters["key"] = _last[_KEY]


@schemathesis.hook
def after_call(context, case, response):
    token = response.headers.get(_TOKEN.lower())
    if token:
        _last[_TOKEN] = token[0] if isinstance(token, list) else token
    if case.path.startswith("/v1/orders") and response.status_code in (200, 201):
        order = response.json()
        if "id" in order:
            _orders[order["id"]] = order["status"]
