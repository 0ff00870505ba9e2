"""A plan of Terraform as JSON: its resources, and texts in them that are JSON themselves."""

import json
import re


class Resource:
    """One resource that a plan makes."""

    def __init__(self, change):
        self.address = change["address"]
        self.type = change["type"]
        self.values = change["change"]["after"] or {}
        self.unknown = change["change"]["after_unknown"] or {}

    def get(self, name):
        return self.values.get(name)

    def is_set(self, name):
        """Whether it has a value, if only one that is not known before it is made."""
        return bool(self.values.get(name)) or self.unknown.get(name) is True

    @property
    def region(self):
        return self.values.get("region") or "global"

    def policies(self):
        """The policy documents in it: name of the attribute and document."""
        for name in ("policy", "assume_role_policy", "redrive_allow_policy"):
            text = self.values.get(name)
            if isinstance(text, str) and '"Statement"' in text:
                yield name, json.loads(text)


class Plan:
    """All that a plan makes."""

    def __init__(self, environment, path):
        self.environment = environment
        with open(path, encoding="utf-8") as file:
            self.json = json.load(file)
        self.resources = [
            Resource(change)
            for change in self.json["resource_changes"]
            if change["mode"] == "managed" and "create" in change["change"]["actions"]
        ]

    def of(self, kind):
        return [resource for resource in self.resources if resource.type == kind]


def statements(document):
    found = document["Statement"]
    return found if isinstance(found, list) else [found]


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def filled(path, out):
    """Copies a plan for a scanner. Keys that are not known before they are made get a text, since it takes what is unknown
    for missing. Each policy gets a name of its own: checkov judges by type and name, without the module, so of all the
    policies named `this` it would look only at the one that it happens to meet first."""
    text = "arn:aws:kms:eu-central-1:123456789012:key/known-after-apply"
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)

    def fill(values, unknown):
        for name, state in list(unknown.items()):
            if state is True and "kms" in name:
                values[name] = text
                unknown[name] = False
            elif isinstance(state, list) and isinstance(values.get(name), list):
                for inner, inner_unknown in zip(values[name], state):
                    if isinstance(inner, dict) and isinstance(inner_unknown, dict):
                        fill(inner, inner_unknown)

    by_address = {}
    for change in plan["resource_changes"]:
        if change["change"].get("after"):
            fill(change["change"]["after"], change["change"]["after_unknown"])
            by_address[change["address"]] = change["change"]["after"]

    def walk(module):
        for resource in module.get("resources", []):
            resource["values"] = by_address.get(resource["address"], resource["values"])
            if resource["type"] == "aws_iam_role_policy":
                resource["name"] = re.sub(r"\W+", "_", resource["address"])
        for child in module.get("child_modules", []):
            walk(child)

    walk(plan["planned_values"]["root_module"])
    with open(out, "w", encoding="utf-8") as file:
        json.dump(plan, file)
