"""What must hold of the files themselves."""

import json
import os
import re
from decimal import Decimal

# A budget is what the table says, and half as much again, within a tenth.
BUDGET, BUDGET_TOLERANCE = Decimal("1.5"), Decimal("0.1")
SECTIONS = ["Meaning", "Impact", "First five minutes", "Diagnosis", "Remediation", "Verification"]


def modules(folder):
    """Each module has its parts, and each variable and output tells what it is."""
    for name in sorted(os.listdir(folder)):
        module = os.path.join(folder, name)
        for part in ["main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"]:
            if not os.path.isfile(os.path.join(module, part)):
                yield f"the module {name} has no {part}"
        tests = os.path.join(module, "tests")
        if not os.path.isdir(tests) or not any(test.endswith(".tftest.hcl") for test in os.listdir(tests)):
            yield f"the module {name} has no test"
        for part in ["variables.tf", "outputs.tf"]:
            with open(os.path.join(module, part), encoding="utf-8") as file:
                for block in re.findall(r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', file.read(), re.M | re.S):
                    if "description" not in block[1]:
                        yield f"{name}/{part}: {block[0]} has no description"


def pins(folder):
    """The providers' versions are the same everywhere."""
    found = {}
    for at, _, names in os.walk(folder):
        if "versions.tf" in names and ".terraform" not in at:
            with open(os.path.join(at, "versions.tf"), encoding="utf-8") as file:
                for source, version in re.findall(r'source  = "([^"]+)"\s+version = "([^"]+)"', file.read()):
                    found.setdefault(source, {}).setdefault(version, at)
    for source, versions in found.items():
        if len(versions) > 1:
            yield f"{source} is pinned differently: {versions}"


def runbooks(folder, linked):
    """Each runbook that an alarm leads to answers the same six questions."""
    for name in sorted(linked):
        path = os.path.join(folder, f"{name}.md")
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as file:
            headings = re.findall(r"^## (.+)$", file.read(), re.M)
        for section in SECTIONS:
            if section not in headings:
                yield f"docs/runbooks/{name}.md has no section {section!r}"


def month(model, profile, orders):
    """What a month costs in US dollars, as `souk cost` reckons it."""
    total = Decimal(0)
    for line in model["lines"]:
        if profile in line["in"]:
            quantity = Decimal(line.get("per_order", "0")) * orders + Decimal(line.get("per_month", "0"))
            total += max(quantity - Decimal(line.get("included", "0")), Decimal(0)) * Decimal(line["price"]) / Decimal(line["of"])
    return total


def budgets(environments, prices):
    """Each environment's budget follows from the price table, or says why not."""
    with open(prices, encoding="utf-8") as file:
        model = json.load(file)
    for environment in sorted(os.listdir(environments)):
        path = os.path.join(environments, environment, "terraform.tfvars")
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as file:
            found = re.search(r"^# prices: (.+)\nmonthly_limit_usd += (\d+)$", file.read(), re.M)
        if not found:
            yield f"{environment}: monthly_limit_usd does not say which line of infra/prices it follows"
            continue
        follows = re.match(r"(\w[\w-]*) at (\d+) orders a month, and half as much again$", found[1])
        if not follows:
            if not re.match(r"none, .{20,}", found[1]):
                yield f"{environment}: monthly_limit_usd neither follows infra/prices nor says why not"
            continue
        wanted = month(model, follows[1], int(follows[2])) * BUDGET
        if abs(Decimal(found[2]) - wanted) > wanted * BUDGET_TOLERANCE:
            yield f"{environment}: monthly_limit_usd is {found[2]}; infra/prices says {wanted:.0f}"
