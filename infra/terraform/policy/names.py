"""infra/souk.json against what is in the code: crates, variables, the worker's settings."""

import json
import os
import re
import tomllib

CONSTANT = re.compile(r'pub const (\w+): &str = "(SOUK_\w+)";')
OPTION = re.compile(r'\benv = "(SOUK_\w+)"')
WORD = re.compile(r"\w+")
CALL = re.compile(r"(?<![\w.:])(?:\w+::)*?(?:(\w+)::)?(\w+)\s*\(")
METHOD = re.compile(r"lookup\s*\.\s*(\w+)")


def _text(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # What a test reads is read by nobody else.
    text = re.split(r"\n#\[cfg\(test\)\]", text)[0]
    return re.sub(r"^\s*//.*$", "", text, flags=re.M)


def _sources(folder):
    for at, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith(".rs") and name != "tests.rs":
                yield os.path.join(at, name)


def _items(text):
    """Functions of a file, as `Type::name` or `name`, with their bodies: what stands until the next one."""
    owner, name, body = None, None, []
    for line in text.splitlines():
        block = re.match(r"(?:impl(?:<[^>]*>)? (?:\w+(?:<[^>]*>)? for )?(\w+)|\}$)", line)
        if block:
            owner = block[1]
        found = re.match(r"\s*(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?fn (\w+)", line)
        if found:
            if name:
                yield name, "\n".join(body)
            name = f"{owner}::{found[1]}" if owner and line.startswith(" ") else found[1]
            body = []
        body.append(line.split("fn ", 1)[1] if found else line)
    if name:
        yield name, "\n".join(body)


def options(root):
    """Variables by which the command line takes its options."""
    return {name for path in _sources(os.path.join(root, "cli", "src")) for name in OPTION.findall(_text(path))}


class Reads:
    """Which variables a function reads: its own code, and what it calls of the runtime, by name."""

    def __init__(self, root):
        self.functions = os.path.join(root, "functions")
        runtime = os.path.join(self.functions, "runtime", "src")
        self.constants, self.bodies = {}, {}
        for path in _sources(runtime):
            text = _text(path)
            self.constants.update(dict(CONSTANT.findall(text)))
            for name, body in _items(text):
                self.bodies[name] = self.bodies.get(name, "") + body

    def of(self, function):
        text = "\n".join(_text(path) for path in _sources(os.path.join(self.functions, function, "src")))
        found, seen, todo = set(), set(), [text]
        while todo:
            body = todo.pop()
            words = set(WORD.findall(body))
            found |= {self.constants[word] for word in words & self.constants.keys()}
            # Types begin with a capital; what is before a bare function is its module.
            called = {f"{owner}::{name}" if owner[:1].isupper() else name for owner, name in CALL.findall(body)}
            called |= {f"Lookup::{name}" for name in METHOD.findall(body)}
            for callee in called & self.bodies.keys() - seen:
                seen.add(callee)
                todo.append(self.bodies[callee].replace("Self::", f"{callee.split('::')[0]}::"))
        return found


def crates(root):
    """Functions that there are: packages beside the library."""
    folder = os.path.join(root, "functions")
    return {
        name for name in os.listdir(folder)
        if os.path.isfile(os.path.join(folder, name, "src", "main.rs"))
    }


def problems(root, spec):
    there, named = crates(root), set(spec["functions"])
    for name in sorted(there ^ named):
        yield f"the function {name} is {'not in infra/souk.json' if name in there else 'in infra/souk.json, and not in functions/'}"
    reads = Reads(root)
    not_set = spec["variables_not_set"]
    ever_set = set()
    for name in sorted(there & named):
        given, wanted = set(spec["functions"][name]["variables"]), reads.of(name) - set(not_set)
        ever_set |= given
        for variable in sorted(wanted - given):
            yield f"{name} reads {variable}, and infra/souk.json does not give it"
        for variable in sorted(given - wanted):
            yield f"infra/souk.json gives {variable} to {name}, which does not read it"
    for variable in sorted(set(reads.constants.values()) - ever_set - set(not_set)):
        yield f"nobody is given {variable}: name it in variables_not_set, with the reason"
    known = set(reads.constants.values()) | options(root)
    for variable in sorted(set(not_set) - known):
        yield f"variables_not_set names {variable}, which nobody knows"
    yield from edge(root, spec["edge"])
    told = "\n".join(_text(path) for path in _sources(os.path.join(root, "functions")))
    for name, alarm in spec["metrics"].items():
        words = [alarm["metric"], *alarm["dimensions"].keys(), *alarm["dimensions"].values()]
        for word in words:
            if f'"{word}"' not in told:
                yield f"the alarm {name} looks at {word!r}, which no function tells"
    queues = set(spec["queues"])
    with open(os.path.join(root, "core/domain/src/event/routing.rs"), encoding="utf-8") as file:
        routed = set(re.findall(r'"([a-z_]+)"', re.split(r"#\[cfg\(test\)\]", file.read())[0]))
    for name in sorted((queues - {"doorbell"}) - routed):
        yield f"infra/souk.json has the queue {name}, and core/domain/src/event/routing.rs sends nothing to it"


def edge(root, spec):
    """The worker's settings, as wrangler.toml has them for the local cloud."""
    with open(os.path.join(root, "edge/wrangler.toml"), "rb") as file:
        wrangler = tomllib.load(file)
    if wrangler["compatibility_date"] != spec["compatibility_date"]:
        yield f"edge/wrangler.toml has the compatibility date {wrangler['compatibility_date']}, infra/souk.json {spec['compatibility_date']}"
    with open(os.path.join(root, "edge/src/worker.js"), encoding="utf-8") as file:
        read = re.search(r"const SETTINGS = \[([^\]]*)\]", file.read())
    read = set(re.findall(r'"(\w+)"', read[1] if read else ""))
    pairs = {
        "what edge/src/worker.js reads": (read, {*spec["plain"], *spec["plain_where_wanted"], *spec["secrets"]}),
        "vars": (set(wrangler.get("vars", {})), set(spec["plain"])),
        "kv_namespaces": ({kv["binding"] for kv in wrangler.get("kv_namespaces", [])}, set(spec["kv"])),
        "durable_objects": (
            {(b["name"], b["class_name"]) for b in wrangler.get("durable_objects", {}).get("bindings", [])},
            set(spec["durable_objects"].items()),
        ),
        "ratelimits": (
            {limit["name"] for limit in wrangler.get("ratelimits", wrangler.get("unsafe", {}).get("bindings", []))},
            set(spec["rate_limits"]),
        ),
    }
    for what, (there, named) in pairs.items():
        if there != named:
            yield f"edge/wrangler.toml and infra/souk.json differ in {what}: {sorted(map(str, there ^ named))}"


def _once(pairs):
    """An object that has each name once: JSON's readers take the last one, and nobody sees the first."""
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"infra/souk.json has {', '.join(sorted(twice))} twice")
    return dict(pairs)


def spec(root):
    with open(os.path.join(root, "infra/souk.json"), encoding="utf-8") as file:
        return json.load(file, object_pairs_hook=_once)
