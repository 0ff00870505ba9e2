"""infra/souk.json against what xtask makes the local cloud from. Names, limits, rates and routes it reads from the file
itself (core/names); what is left to compare is which functions and schedules it makes, and which variables it gives."""

import os
import re


def _stack(root):
    folder = os.path.join(root, "xtask/src/stack")
    texts = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            texts.append(re.split(r"\n#\[cfg\(test\)\]", file.read())[0])
    return "\n".join(texts)


def cloud_only(spec):
    """Functions that the local cloud does without, each with its reason."""
    return {name for name, settings in spec["functions"].items() if settings.get("cloud_only")}


def problems(root, spec):
    text = _stack(root)
    absent = cloud_only(spec)
    functions = set(spec["functions"]) - absent
    schedules = {name for name, schedule in spec["schedules"].items() if schedule["function"] not in absent}
    for name in sorted((functions | schedules) - set(re.findall(r'"([a-z-]+)"', text))):
        yield f"the local cloud has no {name}"
    variables = set(re.findall(r'"(SOUK_[A-Z_]+)"', text))
    given = {variable for settings in spec["functions"].values() for variable in settings["variables"]}
    for variable in sorted(variables - given - set(spec["variables_not_set"])):
        yield f"the local cloud gives {variable}, which infra/souk.json does not know"
    # One that has a default is left to it there.
    there = {variable for name in functions for variable in spec["functions"][name]["variables"]}
    for variable in sorted(there - variables - {"SOUK_CAPTURE_POLICY"}):
        yield f"the local cloud gives nobody {variable}"
