"""What must hold of everything that a plan makes. Each rule yields what breaks it, in words."""

import os
import re

from plan import listed, statements

MANDATORY_TAGS = {"application", "environment", "managed-by"}
# By type, the attributes of which one must name a key or switch encryption on.
ENCRYPTED_BY = {
    "aws_sqs_queue": ["kms_master_key_id", "sqs_managed_sse_enabled"],
    "aws_sns_topic": ["kms_master_key_id"],
    "aws_secretsmanager_secret": ["kms_key_id"],
    "aws_cloudwatch_log_group": ["kms_key_id"],
    "aws_lambda_function": ["kms_key_arn"],
    "aws_rds_cluster": ["storage_encrypted"],
    "aws_rds_global_cluster": ["storage_encrypted"],
    "aws_backup_vault": ["kms_key_arn"],
    "aws_cloudtrail": ["kms_key_id"],
}
WORLD = {"0.0.0.0/0", "::/0"}
ALARM_URL = re.compile(r"/([a-z0-9-]+)\.md$")


def wildcards(plan, reasons, used):
    """No `*` as an action or a resource that is allowed, without a reason that is written down."""
    for resource in plan.resources:
        for _, document in resource.policies():
            for statement in statements(document):
                if statement["Effect"] != "Allow":
                    continue
                actions = [a for a in listed(statement.get("Action")) if "*" in a]
                everything = "*" in listed(statement.get("Resource"))
                sid = statement.get("Sid", "")
                if not actions and not everything:
                    continue
                reason = next((r for r in reasons if re.fullmatch(r["address"], resource.address) and r["sid"] == sid), None)
                if reason:
                    used.add((reason["address"], reason["sid"]))
                else:
                    what = ", ".join(actions) if actions else "all resources"
                    yield f"{resource.address}: the statement {sid!r} allows {what} without a reason in policy/wildcards.json"


def encryption(plan):
    for kind, attributes in ENCRYPTED_BY.items():
        for resource in plan.of(kind):
            if not any(resource.is_set(name) for name in attributes):
                yield f"{resource.address} is not encrypted: none of {', '.join(attributes)} is set"
    encrypted = {r.address.rsplit(".", 2)[0] for r in plan.of("aws_s3_bucket_server_side_encryption_configuration")}
    private = {r.address.rsplit(".", 2)[0] for r in plan.of("aws_s3_bucket_public_access_block")}
    for bucket in plan.of("aws_s3_bucket"):
        module = bucket.address.rsplit(".", 2)[0]
        if module not in encrypted or module not in private:
            yield f"{bucket.address} has no encryption or no public access block"


def nothing_public(plan):
    for instance in plan.of("aws_rds_cluster_instance"):
        if instance.get("publicly_accessible") is not False:
            yield f"{instance.address} may have a public address"
    for rule in plan.of("aws_vpc_security_group_ingress_rule"):
        if {rule.get("cidr_ipv4"), rule.get("cidr_ipv6")} & WORLD:
            yield f"{rule.address} lets everybody in"
    for group in plan.of("aws_security_group"):
        if group.get("ingress"):
            yield f"{group.address} has inline rules: they are not looked at here, use aws_vpc_security_group_ingress_rule"
    for subnet in plan.of("aws_subnet"):
        if subnet.get("map_public_ip_on_launch"):
            yield f"{subnet.address} gives public addresses"
    for url in plan.of("aws_lambda_function_url"):
        yield f"{url.address}: a function is called by the API only"


def logs_forget(plan):
    groups = {}
    for group in plan.of("aws_cloudwatch_log_group"):
        groups[(group.region, group.get("name"))] = group
        if not group.get("retention_in_days"):
            yield f"{group.address} keeps its lines for ever"
    for function in plan.of("aws_lambda_function"):
        if (function.region, f"/aws/lambda/{function.get('function_name')}") not in groups:
            yield f"{function.address} has no log group of its own: Lambda would make one that keeps lines for ever"


def tagged(roots):
    """Every root's provider tags everything."""
    for root in roots:
        with open(root, encoding="utf-8") as file:
            block = re.search(r"default_tags \{\s*tags = \{(.*?)\}", file.read(), re.S)
        missing = MANDATORY_TAGS - set(re.findall(r'^\s*"?([a-z-]+)"?\s*=', block[1], re.M) if block else [])
        if missing:
            yield f"{root} does not tag everything with {', '.join(sorted(missing))}"


def functions(plan):
    """Traced, on arm64 or by choice, called by an alias, with a kill switch that is off."""
    aliases = {(a.region, a.get("function_name")) for a in plan.of("aws_lambda_alias")}
    for function in plan.of("aws_lambda_function"):
        name = function.get("function_name")
        if (function.region, name) not in aliases:
            yield f"{function.address} has no alias: its deployments cannot be taken back"
        if function.get("reserved_concurrent_executions") == 0:
            yield f"{function.address} is switched off in the committed settings"
        if not (function.get("tracing_config") or [{}])[0].get("mode") == "Active":
            yield f"{function.address} is not traced"
        for variable, value in ((function.get("environment") or [{}])[0].get("variables") or {}).items():
            if re.search(r"(PASSWORD|KEYS|ACCOUNTS)$", variable) and "{{secret:" not in (value or "{{secret:"):
                yield f"{function.address}: {variable} holds a secret itself"


def canary(plan):
    configs = {(c.region, c.get("deployment_config_name")) for c in plan.of("aws_codedeploy_deployment_config")}
    groups = plan.of("aws_codedeploy_deployment_group")
    deployed = set()
    for group in groups:
        deployed.add((group.region, group.get("deployment_group_name")))
        config = group.get("deployment_config_name")
        if "AllAtOnce" in config or (group.region, config) not in configs and "Canary" not in config:
            yield f"{group.address} moves all traffic at once"
        if not (group.get("auto_rollback_configuration") or [{}])[0].get("enabled"):
            yield f"{group.address} is not taken back when its alarm goes off"
    if len(deployed) != len(plan.of("aws_lambda_function")):
        yield "not every function is deployed step by step"


def alarms(plan, runbooks):
    """Every function has an alarm on errors and every queue one on dead letters; every alarm has a runbook that is there."""
    errors, queues = set(), set()
    for alarm in plan.of("aws_cloudwatch_metric_alarm"):
        dimensions = alarm.get("dimensions") or {}
        if alarm.get("metric_name") == "Errors":
            errors.add((alarm.region, dimensions.get("FunctionName")))
        if alarm.get("namespace") == "AWS/SQS":
            queues.add((alarm.region, dimensions.get("QueueName")))
    for function in plan.of("aws_lambda_function"):
        if (function.region, function.get("function_name")) not in errors:
            yield f"{function.address} can fail unseen"
    with_dead_letters = set()
    for queue in plan.of("aws_sqs_queue"):
        name = queue.get("name")
        if "-dlq" in name:
            with_dead_letters.add((queue.region, name.replace("-dlq", "")))
            if (queue.region, name) not in queues:
                yield f"{queue.address}: nobody hears of dead letters"
    for queue in plan.of("aws_sqs_queue"):
        if "-dlq" not in queue.get("name") and (queue.region, queue.get("name")) not in with_dead_letters:
            yield f"{queue.address} has no dead letters"
    for kind in ("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"):
        for alarm in plan.of(kind):
            found = ALARM_URL.search(alarm.get("alarm_description") or "")
            if not found:
                yield f"{alarm.address} leads to no runbook"
            elif not os.path.isfile(os.path.join(runbooks, f"{found[1]}.md")):
                yield f"{alarm.address} leads to docs/runbooks/{found[1]}.md, which is not there"
            if not alarm.get("alarm_actions") and not alarm.unknown.get("alarm_actions") and "wakes nobody" not in alarm.get("alarm_description"):
                yield f"{alarm.address} tells nobody"
