"""What each function of production may do, as it was reviewed."""

import json
import os

from plan import statements


def rendered(plan):
    """By the function's short name, in the home region: what its role is allowed and denied, sorted."""
    roles = {}
    for function in plan.of("aws_lambda_function"):
        key = function.address.split('"]')[-2].split('["')[-1]
        roles[(function.region, key)] = []
    for policy in plan.of("aws_iam_role_policy"):
        for (region, key), found in roles.items():
            if policy.get("role") == f"souk-{plan.environment}-{key}-{region}":
                found += statements(json.loads(policy.get("policy")))
    home = min(region for region, _ in roles)
    return {
        key: sorted(found, key=lambda statement: statement.get("Sid", ""))
        for (region, key), found in sorted(roles.items())
        if region == home
    }, {key: len(found) for (region, key), found in roles.items() if region != home}


def text(statements_of_function):
    return json.dumps(statements_of_function, indent=2, sort_keys=True) + "\n"


def problems(plan, folder, update):
    home, elsewhere = rendered(plan)
    if update:
        os.makedirs(folder, exist_ok=True)
    kept = {name.removesuffix(".json") for name in os.listdir(folder)}
    for key, found in home.items():
        path = os.path.join(folder, f"{key}.json")
        if update:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text(found))
            continue
        if key not in kept:
            yield f"no reviewed policy of the function {key}: {path}"
            continue
        with open(path, encoding="utf-8") as file:
            if file.read() != text(found):
                yield f"what {key} may do is not what was reviewed: look at the change, then `script/terraform snapshot`"
    for key in kept - home.keys():
        yield f"{folder}/{key}.json is of no function"
    for key, count in elsewhere.items():
        if key in home and count != len(home[key]):
            yield f"{key} may do other things in the region that stands by"
