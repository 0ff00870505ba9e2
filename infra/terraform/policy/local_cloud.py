"""infra/souk.json against what xtask makes the local cloud from: names, routes, timeouts, variables."""

import os
import re

FED = re.compile(r'function: "souk-([a-z-]+)",\s*(?://[^\n]*\s*)*function_timeout_s: (\d+)')
TIMEOUT = re.compile(r"const ([A-Z_]+)_TIMEOUT_S: i32 = (\d+);")


def _stack(root):
    folder = os.path.join(root, "xtask/src/stack")
    texts = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            texts.append(re.split(r"\n#\[cfg\(test\)\]", file.read())[0])
    return "\n".join(texts)


def queue_names(spec):
    for key, queue in spec["queues"].items():
        suffix = ".fifo" if queue["fifo"] else ""
        name = f"{spec['prefix']}-{key.replace('_', '-')}"
        yield f"{name}{suffix}"
        yield f"{name}-dlq{suffix}"


def cloud_only(spec):
    """Functions that the local cloud does without, each with its reason."""
    return {name for name, settings in spec["functions"].items() if settings.get("cloud_only")}


def problems(root, spec):
    text = _stack(root)
    absent = cloud_only(spec)
    routes = set(re.findall(r'"(ANY /v1/[^"]+)"', text))
    for route in sorted(routes ^ (set(spec["routes"]) - {"$default"})):
        yield f"the local cloud and infra/souk.json differ in the route {route}"
    names = set(re.findall(r'"(souk-[a-z-]+(?:\.fifo)?)"', text))
    wanted = {*queue_names(spec), *(f"souk-{name}" for name in spec["functions"] if name not in absent)}
    wanted |= {f"souk-{name}" for name, schedule in spec["schedules"].items() if schedule["function"] not in absent}
    for name in sorted(wanted - names):
        yield f"the local cloud has no {name}"
    for name in sorted(n for n in names - wanted if n.endswith(".fifo") or n.endswith("-dlq")):
        yield f"the local cloud has the queue {name}, which infra/souk.json has not"
    timeouts = {function: int(seconds) for function, seconds in FED.findall(text)}
    timeouts |= {name.lower().replace("_", "-"): int(seconds) for name, seconds in TIMEOUT.findall(text)}
    for function, settings in spec["functions"].items():
        if function not in absent and timeouts.get(function) != settings["timeout_s"]:
            yield f"{function} may run {settings['timeout_s']} s by infra/souk.json, and {timeouts.get(function)} s in the local cloud"
    variables = set(re.findall(r'"(SOUK_[A-Z_]+)"', text))
    given = {variable for settings in spec["functions"].values() for variable in settings["variables"]}
    for variable in sorted(variables - given - set(spec["variables_not_set"])):
        yield f"the local cloud gives {variable}, which infra/souk.json does not know"
    # One that has a default is left to it there.
    there = {v for name, settings in spec["functions"].items() if name not in absent for v in settings["variables"]}
    for variable in sorted(there - variables - {"SOUK_CAPTURE_POLICY"}):
        yield f"the local cloud gives nobody {variable}"
