"""Each rule finds what it is there for. Run by `script/terraform check`."""

import copy
import json
import os
import sys
import tempfile
import unittest
from decimal import Decimal

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import local_cloud  # noqa: E402
import names  # noqa: E402
import repository  # noqa: E402
import rules  # noqa: E402
import snapshot  # noqa: E402
from plan import Plan  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
FUNCTION = {
    "function_name": "souk-prod-orders", "region": "r", "kms_key_arn": "k", "tracing_config": [{"mode": "Active"}],
    "environment": [{"variables": {"SOUK_EDGE_KEYS": "{{secret:a}}"}}], "reserved_concurrent_executions": -1,
}
GOOD = [
    ('m.function["orders"].aws_lambda_function.this', FUNCTION),
    ("m.aws_lambda_alias.live", {"function_name": "souk-prod-orders", "region": "r"}),
    ("m.aws_cloudwatch_log_group.this", {"name": "/aws/lambda/souk-prod-orders", "region": "r", "retention_in_days": 30, "kms_key_id": "k"}),
    ("m.aws_codedeploy_deployment_config.canary", {"deployment_config_name": "c", "region": "r"}),
    ("m.aws_codedeploy_deployment_group.this", {"deployment_config_name": "c", "region": "r", "deployment_group_name": "orders", "auto_rollback_configuration": [{"enabled": True}]}),
    ("m.aws_cloudwatch_metric_alarm.errors", {"region": "r", "metric_name": "Errors", "dimensions": {"FunctionName": "souk-prod-orders"}, "alarm_description": "x https://r/there.md", "alarm_actions": ["t"]}),
    ("m.aws_sqs_queue.this", {"name": "q.fifo", "region": "r", "kms_master_key_id": "k"}),
    ("m.aws_sqs_queue.dead", {"name": "q-dlq.fifo", "region": "r", "kms_master_key_id": "k"}),
    ("m.aws_cloudwatch_metric_alarm.dead", {"region": "r", "namespace": "AWS/SQS", "dimensions": {"QueueName": "q-dlq.fifo"}, "alarm_description": "x https://r/there.md", "alarm_actions": ["t"]}),
    ("m.aws_iam_role_policy.this", {"role": "souk-prod-orders-r", "policy": json.dumps({"Statement": [{"Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:b/*"]}]})}),
    ("m.aws_rds_cluster_instance.this", {"publicly_accessible": False}),
    ("m.aws_rds_cluster.this", {"storage_encrypted": True}),
    ("m.aws_vpc_security_group_ingress_rule.this", {"referenced_security_group_id": "sg"}),
]


class Rules(unittest.TestCase):
    def problems(self, change=None):
        """What is wrong with the good plan after `change`: address → values, or None to leave it out."""
        resources = [(address, copy.deepcopy(values)) for address, values in GOOD]
        for address, values in (change or {}).items():
            resources = [(a, v) for a, v in resources if a != address or values is not None]
            resources = [(a, {**v, **values} if a == address else v) for a, v in resources]
            if values is not None and address not in dict(resources):
                resources.append((address, values))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "prod.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"resource_changes": [
                    {"address": a, "type": a.split(".")[-2], "mode": "managed", "change": {"actions": ["create"], "after": v, "after_unknown": {}}}
                    for a, v in resources
                ]}, file)
            with open(os.path.join(folder, "there.md"), "w", encoding="utf-8"):
                pass
            plan = Plan("prod", path)
            found = []
            for rule in (rules.encryption, rules.nothing_public, rules.logs_forget, rules.functions, rules.canary):
                found += rule(plan)
            found += rules.wildcards(plan, [{"address": "m\\.known", "sid": "All", "reason": "r"}], set())
            found += rules.alarms(plan, folder)
            os.mkdir(os.path.join(folder, "iam"))
            list(snapshot.problems(Plan("prod", path) if change is None else self.good(folder), os.path.join(folder, "iam"), True))
            found += snapshot.problems(plan, os.path.join(folder, "iam"), False)
            return found

    def good(self, folder):
        path = os.path.join(folder, "good.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"resource_changes": [
                {"address": a, "type": a.split(".")[-2], "mode": "managed", "change": {"actions": ["create"], "after": v, "after_unknown": {}}}
                for a, v in GOOD
            ]}, file)
        return Plan("prod", path)

    def test_what_is_good_is_let_through(self):
        self.assertEqual(self.problems(), [])

    def test_each_fault_is_found(self):
        function = 'm.function["orders"].aws_lambda_function.this'
        everything = json.dumps({"Statement": [{"Sid": "A", "Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]})
        faults = {
            "not encrypted": {"m.aws_sqs_queue.this": {"kms_master_key_id": None}},
            "may have a public address": {"m.aws_rds_cluster_instance.this": {"publicly_accessible": True}},
            "lets everybody in": {"m.aws_vpc_security_group_ingress_rule.this": {"cidr_ipv4": "0.0.0.0/0"}},
            "keeps its lines for ever": {"m.aws_cloudwatch_log_group.this": {"retention_in_days": 0}},
            "no log group of its own": {"m.aws_cloudwatch_log_group.this": None},
            "has no alias": {"m.aws_lambda_alias.live": None},
            "switched off": {function: {"reserved_concurrent_executions": 0}},
            "not traced": {function: {"tracing_config": []}},
            "holds a secret itself": {function: {"environment": [{"variables": {"SOUK_EDGE_KEYS": "c2VjcmV0"}}]}},
            "moves all traffic at once": {"m.aws_codedeploy_deployment_group.this": {"deployment_config_name": "CodeDeployDefault.LambdaAllAtOnce"}},
            "not taken back": {"m.aws_codedeploy_deployment_group.this": {"auto_rollback_configuration": []}},
            "step by step": {"m.aws_codedeploy_deployment_group.this": None},
            "can fail unseen": {"m.aws_cloudwatch_metric_alarm.errors": None},
            "nobody hears of dead letters": {"m.aws_cloudwatch_metric_alarm.dead": None},
            "has no dead letters": {"m.aws_sqs_queue.dead": None},
            "leads to no runbook": {"m.aws_cloudwatch_metric_alarm.errors": {"alarm_description": "something"}},
            "which is not there": {"m.aws_cloudwatch_metric_alarm.errors": {"alarm_description": "x https://r/elsewhere.md"}},
            "tells nobody": {"m.aws_cloudwatch_metric_alarm.errors": {"alarm_actions": []}},
            "without a reason": {"m.aws_iam_role_policy.this": {"policy": everything}},
            "not what was reviewed": {"m.aws_iam_role_policy.this": {"policy": json.dumps({"Statement": []})}},
        }
        for words, fault in faults.items():
            with self.subTest(words):
                self.assertTrue(any(words in problem for problem in self.problems(fault)), self.problems(fault))


class Names(unittest.TestCase):
    def test_every_variable_that_is_left_out_or_added_is_found(self):
        spec = names.spec(ROOT)
        self.assertEqual(list(names.problems(ROOT, spec)), [])
        for function in ("orders", "outbox-relay", "migrate"):
            for variable in spec["functions"][function]["variables"]:
                changed = copy.deepcopy(spec)
                del changed["functions"][function]["variables"][variable]
                with self.subTest(f"{function} without {variable}"):
                    self.assertTrue(any(f"{function} reads {variable}" in p for p in names.problems(ROOT, changed)))
        changed = copy.deepcopy(spec)
        changed["functions"]["catalog"]["variables"]["SOUK_QUOTE_KEYS"] = "quote_keys"
        self.assertTrue(any("which does not read it" in p for p in names.problems(ROOT, changed)))
        del changed["functions"]["reconcile"]
        self.assertTrue(any("the function reconcile is not in" in p for p in names.problems(ROOT, changed)))

    def test_a_local_cloud_that_drifts_is_found(self):
        spec = names.spec(ROOT)
        self.assertEqual(list(local_cloud.problems(ROOT, spec)), [])
        changes = {
            "has no returns": lambda s: s["functions"].update(returns={"variables": {}}),
            "has no returns-due": lambda s: s["schedules"].update({"returns-due": {"function": "orders"}}),
            "which infra/souk.json does not know": lambda s: s["variables_not_set"].pop("SOUK_STRIPE_API_URL"),
            "gives nobody SOUK_NEW": lambda s: s["functions"]["orders"]["variables"].update(SOUK_NEW="log"),
        }
        for words, change in changes.items():
            changed = copy.deepcopy(spec)
            change(changed)
            with self.subTest(words):
                found = list(local_cloud.problems(ROOT, changed))
                self.assertTrue(any(words in problem for problem in found), found)


class Prices(unittest.TestCase):
    prices = os.path.join(ROOT, "infra/prices/cost-model.json")

    def test_a_budget_that_does_not_follow_the_table_is_found(self):
        with open(os.path.join(ROOT, "infra/terraform/envs/prod/terraform.tfvars"), encoding="utf-8") as file:
            good = file.read()
        faults = {
            "": lambda s: s,
            "infra/prices says 584": lambda s: s.replace("monthly_limit_usd = 600", "monthly_limit_usd = 800"),
            "does not say which": lambda s: s.replace("# prices: ", "# "),
            "nor says why not": lambda s: s.replace("# prices: prod at 1000000 orders a month, and half as much again", "# prices: none"),
        }
        for words, fault in faults.items():
            with self.subTest(words), tempfile.TemporaryDirectory() as folder:
                os.mkdir(os.path.join(folder, "prod"))
                with open(os.path.join(folder, "prod", "terraform.tfvars"), "w", encoding="utf-8") as file:
                    file.write(fault(good))
                found = list(repository.budgets(folder, self.prices))
                self.assertEqual(len(found), 1 if words else 0, found)
                self.assertTrue(not found or words in found[0], found)

    def test_the_table_that_people_read_is_the_models(self):
        with open(self.prices, encoding="utf-8") as file:
            model = json.load(file)
        with open(os.path.join(ROOT, "infra/prices/README.md"), encoding="utf-8") as file:
            rows = [line.strip("| \n").split(" | ") for line in file if line.startswith("| ")]
        rows = {row[0]: row[1:] for row in rows}
        self.assertEqual(set(model["profiles"]), set(rows) & set(model["profiles"]))
        for profile in model["profiles"]:
            wanted = [repository.month(model, profile, orders) for orders in (0, 10**5, 10**6, 10**7, 10**8)]
            self.assertEqual([Decimal(cell.replace(",", "")) for cell in rows[profile]], [round(cost, 2) for cost in wanted])


if __name__ == "__main__":
    unittest.main()
