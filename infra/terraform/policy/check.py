#!/usr/bin/env python3
"""Policy as code: what plans of Terraform, infra/souk.json and the code beside it must keep.

  check.py PLAN_DIR [--update-snapshot]     PLAN_DIR has ENVIRONMENT.json of each environment
  check.py --fill PLAN OUT                  a copy for scanners that take unknown keys for missing ones
"""

import json
import os
import sys

sys.dont_write_bytecode = True

import local_cloud  # noqa: E402
import names  # noqa: E402
import repository  # noqa: E402
import rules  # noqa: E402
import snapshot  # noqa: E402
from plan import Plan, filled  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TERRAFORM = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(TERRAFORM))
RUNBOOKS = os.path.join(ROOT, "docs", "runbooks")


def of_plan(plan, reasons, used):
    yield from rules.wildcards(plan, reasons, used)
    yield from rules.encryption(plan)
    yield from rules.nothing_public(plan)
    yield from rules.logs_forget(plan)
    yield from rules.functions(plan)
    yield from rules.canary(plan)
    yield from rules.alarms(plan, RUNBOOKS)


def linked_runbooks(plans):
    for plan in plans:
        for kind in ("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"):
            for alarm in plan.of(kind):
                found = rules.ALARM_URL.search(alarm.get("alarm_description") or "")
                if found:
                    yield found[1]


def main(arguments):
    if arguments[0] == "--fill":
        filled(arguments[1], arguments[2])
        return 0
    folder, update = arguments[0], "--update-snapshot" in arguments
    with open(os.path.join(HERE, "wildcards.json"), encoding="utf-8") as file:
        reasons = json.load(file)
    plans = [
        Plan(name.removesuffix(".json"), os.path.join(folder, name))
        for name in sorted(os.listdir(folder)) if name.endswith(".json")
    ]
    used, problems = set(), []
    for plan in plans:
        problems += [f"{plan.environment}: {problem}" for problem in of_plan(plan, reasons, used)]
        if plan.environment == "prod":
            problems += snapshot.problems(plan, os.path.join(TERRAFORM, "tests", "iam"), update)
    for reason in reasons:
        if (reason["address"], reason["sid"]) not in used:
            problems.append(f"policy/wildcards.json has a reason that nobody needs: {reason['address']} {reason['sid']}")
        if len(reason["reason"]) < 20:
            problems.append(f"policy/wildcards.json: no reason for {reason['address']} {reason['sid']}")
    problems += rules.tagged([os.path.join(TERRAFORM, "envs/root/main.tf"), os.path.join(TERRAFORM, "bootstrap/main.tf")])
    problems += names.problems(ROOT, names.spec(ROOT))
    problems += local_cloud.problems(ROOT, names.spec(ROOT))
    problems += repository.modules(os.path.join(TERRAFORM, "modules"))
    problems += repository.pins(TERRAFORM)
    problems += repository.budgets(os.path.join(TERRAFORM, "envs"), os.path.join(ROOT, "infra/prices/cost-model.json"))
    problems += repository.runbooks(RUNBOOKS, set(linked_runbooks(plans)))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    counts = ", ".join(f"{plan.environment} {len(plan.resources)}" for plan in plans)
    print(f"policy: {len(problems)} problems; resources: {counts}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
