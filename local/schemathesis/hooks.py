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
_payments = itertools.count()
_intents = {}
_refunds = []
_disputes = []
_INTENT_NEEDED = {
    "/v1/payment-intents/{id}/confirm": "requires_confirmation",
    "/v1/payment-intents/{id}/capture": "requires_capture",
    "/v1/payment-intents/{id}/cancel": "requires_capture",
    "/v1/payment-intents/{id}/refunds": "succeeded",
}
# What a new payment is: paid, held, not tried yet, and taken back by the bank.
_NEW_PAYMENTS = [
    {"payment_method": "pm_card_visa", "confirm": True},
    {"payment_method": "pm_card_visa", "confirm": True, "capture_method": "manual"},
    {"payment_method": "pm_card_visa", "confirm": False},
    {"payment_method": "pm_card_createDispute", "confirm": True},
]
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
    _pay(case)
    if case.path.startswith("/v1/idempotency-keys/") and _KEY in _last:
        # Every other time a key that was used.
        if next(_questions) % 2 == 0:
            case.path_parameters["key"] = _last[_KEY]


def _pay(case):
    """Every other time a payment, refund or dispute that is there, in a status that fits."""
    if "payment-intents" not in case.path and not case.path.startswith(("/v1/refunds", "/v1/disputes")):
        return
    turn = next(_payments)
    if turn % 2:
        return
    unpaid = [id for id, status in _orders.items() if status == "placed"]
    if case.path == "/v1/payment-intents" and isinstance(case.body, dict) and unpaid:
        case.body = {"order_id": unpaid[-1], **_NEW_PAYMENTS[turn // 2 % len(_NEW_PAYMENTS)]}
    elif case.path == "/v1/refunds/{id}" and _refunds:
        case.path_parameters["id"] = _refunds[-1]
    elif case.path == "/v1/disputes/{id}" and _disputes:
        case.path_parameters["id"] = _disputes[-1]
    elif case.path.startswith("/v1/payment-intents/"):
        needed = _INTENT_NEEDED.get(case.path) if case.method.upper() == "POST" else None
        fitting = [id for id, status in _intents.items() if needed in (None, status)]
        if fitting:
            case.path_parameters["id"] = fitting[-1]
            if needed:
                case.body = {"amount_minor": 1} if case.path.endswith("/refunds") else {}


def _remember_payment(found):
    if found.get("id", "").startswith("pi_"):
        _intents[found["id"]] = found["status"]
        _orders.pop(found["order_id"], None)
    elif found.get("id", "").startswith("re_"):
        _refunds.append(found["id"])
    _disputes.extend(one["id"] for one in found.get("disputes", []))


@schemathesis.hook
def after_call(context, case, response):
    token = response.headers.get(_TOKEN.lower())
    if token:
        _last[_TOKEN] = token[0] if isinstance(token, list) else token
    if case.path.startswith(("/v1/payment-intents", "/v1/disputes")) and response.status_code in (200, 201):
        _remember_payment(response.json())
    if case.path.startswith("/v1/orders") and response.status_code in (200, 201):
        order = response.json()
        if "id" in order:
            _orders[order["id"]] = order["status"]
