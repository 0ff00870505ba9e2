"""Stands for each command line that script/deploy calls: by the name it is called by. It writes down what it is asked,
answers from a small world, and changes that world as the real one would be changed."""

import fnmatch
import json
import os
import re
import shutil
import stat
import sys

HERE = os.environ["STAND_IN_WORLD"]
NAME, ARGS = os.path.basename(sys.argv[0]), sys.argv[1:]
COMMAND = " ".join([NAME, *ARGS])
REGION = "eu-central-1"


def world():
    with open(f"{HERE}/world.json") as file:
        return json.load(file)


def keep(state):
    with open(f"{HERE}/world.json", "w") as file:
        json.dump(state, file)


def after(option):
    return ARGS[ARGS.index(option) + 1]


def refuse(why, code=1):
    print(f"{NAME}: {why}", file=sys.stderr)
    sys.exit(code)


def bucket(url):
    return f"{HERE}/s3/{url.removeprefix('s3://').rstrip('/')}"


def aws(state):
    what = " ".join(ARGS[:2])
    if what == "sts get-caller-identity":
        return "123456789012" if state["signed_in"] else refuse("Unable to locate credentials", 253)
    if what == "s3 sync":
        source, target = [a for a in ARGS if a.startswith(("s3://", "/"))]
        sync(source, target)
    if what == "secretsmanager describe-secret":
        name = after("--secret-id").rsplit("/", 1)[1]
        return "arn:secret" if name in state["secrets"] else refuse("ResourceNotFoundException", 254)
    if what == "secretsmanager get-secret-value":
        name = after("--secret-id").rsplit("/", 1)[1]
        value = state["secrets"].get(name)
        return json.dumps(value) if value else refuse("ResourceNotFoundException", 254)
    if what == "rds-data execute-statement":
        return data_api(state)
    if what == "lambda invoke":
        with open(ARGS[-1], "w") as file:
            file.write('"said by the migration"')
        state["migrated_by"].append(int(after("--qualifier")))
        return "Unhandled" if state["migration_fails"] else "None"
    if what == "lambda get-alias":
        return state["functions"][after("--function-name")]["live"]
    if what == "deploy create-deployment":
        revision = json.loads(json.loads(after("--revision"))["appSpecContent"]["content"])
        ((name, resource),) = revision["Resources"][0].items()
        state["deployments"][f"d-{name}"] = resource["Properties"]["TargetVersion"]
        return f"d-{name}"
    if what == "deploy wait":
        name = after("--deployment-id").removeprefix("d-")
        if name in state["taken_back"]:
            refuse("Waiter DeploymentSuccessful failed", 255)
        state["functions"][name]["live"] = int(state["deployments"][f"d-{name}"])
    if what == "cloudwatch describe-alarms":
        return state["journey"]
    return None


def sync(source, target):
    if target.startswith("/"):
        shutil.copytree(bucket(source), target, dirs_exist_ok=True) if os.path.isdir(bucket(source)) else None
        return
    wanted = [ARGS[i + 1] for i, a in enumerate(ARGS) if a == "--include"]
    for folder, _, files in os.walk(source):
        for file in files:
            path = os.path.relpath(f"{folder}/{file}", source)
            if any(fnmatch.fnmatch(path, w) for w in wanted):
                os.makedirs(os.path.dirname(f"{bucket(target)}/{path}"), exist_ok=True)
                shutil.copy(f"{folder}/{file}", f"{bucket(target)}/{path}")


def data_api(state):
    if state["database_wakes_in"]:
        state["database_wakes_in"] -= 1
        keep(state)
        refuse("DatabaseResumingException", 254)
    if after("--sql").startswith("CREATE DATABASE"):
        if state["directory"]:
            refuse("it exists", 254)
        state["directory"] = True
        return "{}"
    return json.dumps({"records": [[{"longValue": 1}]] if state["directory"] else []})


def terraform(state):
    real = os.environ.get("STAND_IN_TERRAFORM")
    what = next(a for a in ARGS if not a.startswith("-"))
    if real and what != "apply":
        # The state stays here: the bucket that backend.hcl names is nobody's.
        os.environ["PATH"] = os.environ["STAND_IN_TERRAFORM_PATH"]
        os.execv(real, [real, *(a for a in ARGS if "-backend-config" not in a)])
    if what == "console":
        return json.dumps(",".join(f"{r} artefacts-{r}" for r in state["regions"]))
    if what == "plan":
        state["planned"] = re.search(r"artefact_version=(\S+)", COMMAND)[1]
    if what == "show":
        change = {"address": "aws_lambda_function.orders", "type": "aws_lambda_function", "change": {"actions": ["delete", "create"]}}
        return json.dumps({"resource_changes": [change, *state["planned_changes"]]})
    if what == "output":
        if not state["applied"]:
            refuse("no outputs")
        return state["applied"] if "-raw" in ARGS else json.dumps({k: {"value": v} for k, v in outputs(state).items()})
    if what == "apply":
        if state["applied"] != state["planned"]:
            for function in state["functions"].values():
                function["versions"].append(state["planned"])
                function["live"] = function["live"] or len(function["versions"])
            state["edge"]["versions"].append(state["planned"])
            state["edge"]["serves"] = state["edge"]["serves"] or {"v1": 100}
        state["applied"] = state["planned"]
    return None


def outputs(state):
    functions = {
        name: {"name": name, "alias": "live", "version": str(len(f["versions"])), "group": f"{name}-group"}
        for name, f in state["functions"].items()
    }
    return {
        "name": "souk-test",
        "active_region": REGION,
        "functions": {REGION: functions},
        "delivery_application": {REGION: "souk-test"},
        "delivery_hook": {REGION: "pre-traffic"},
        "database": {"cluster": {"arn": "arn:cluster"}, "owner_secret": "souk-test/db-owner"},
        "edge": {
            "worker": "souk-test-edge", "account_id": "acc", "hosts": state["hosts"],
            "signing_ring_secret": "souk-test/edge-ring", "kv_namespace_ids": {"ROUTES": "kv"},
        },
    }


def wrangler(state):
    edge, what = state["edge"], " ".join(a for a in ARGS[:3] if not a.startswith(("-", "/", "v")) or a == "versions")
    if os.environ.get("CLOUDFLARE_ACCOUNT_ID") != "acc":
        refuse("which account?")
    if what == "versions secret bulk":
        if stat.S_IMODE(os.stat(ARGS[3]).st_mode) != 0o600:
            refuse("a secret that others can read")
        with open(ARGS[3]) as file:
            edge["key"] = json.load(file)["SIGNING_KEY_ID"]
        edge["versions"].append(edge["versions"][-1])
    if what.startswith("versions list"):
        return json.dumps([{"id": f"v{i}", "number": i} for i in range(len(edge["versions"]), 0, -1)])
    if what.startswith("deployments status"):
        return json.dumps({"versions": [{"version_id": v, "percentage": p} for v, p in edge["serves"].items()]})
    if what.startswith("versions deploy"):
        edge["serves"] = {v: int(p) for v, p in (a.rstrip("%").split("@") for a in ARGS if "@" in a)}
    return None


def curl(state):
    if "/healthz" not in ARGS[-1]:
        with open(after("--output"), "w") as file:
            file.write("certificates")
        return None
    if "*" in ARGS[-1]:
        refuse("no such name", 6)
    edge, version = state["edge"], re.search(r'souk-test-edge="(v\d+)"', COMMAND)
    version = version[1] if version else max(edge["serves"], key=edge["serves"].get)
    if edge["versions"][int(version[1:]) - 1] in state["edge_broken"]:
        refuse("The requested URL returned error: 500", 22)
    return None


def cargo(state):
    if "package" in ARGS:
        out = after("--out")
        os.makedirs(f"{out}/edge", exist_ok=True)
        for file in ("souk-orders.zip", "edge/index.js", "edge/index_bg.wasm"):
            with open(f"{out}/{file}", "w") as content:
                content.write(state["source"])
    return None


def uname(_):
    return "aarch64"


def sleep(_):
    return None


def main():
    with open(f"{HERE}/asked", "a") as file:
        file.write(COMMAND + "\n")
    state = world()
    if state["fails"] and re.search(state["fails"], COMMAND):
        refuse("it fails")
    answer = globals()[NAME](state)
    keep(state)
    if answer is not None:
        print(answer)


main()
