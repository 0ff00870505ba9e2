"""What must hold of the files themselves."""

import os
import re

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
