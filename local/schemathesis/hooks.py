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
    if case.path.startswith("/v1/idempotency-keys/") and _KEY in _last:
        # Every other time a key that was used.
        if next(_questions) % 2 == 0:
            case.path_parameters["key"] = _last[_KEY]


@schemathesis.hook
def after_call(context, case, response):
    token = response.headers.get(_TOKEN.lower())
    if token:
        _last[_TOKEN] = token[0] if isinstance(token, list) else token
