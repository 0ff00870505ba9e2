# shellcheck shell=bash disable=SC2154,SC2016
# Steps of script/deploy. They use its $environment, $root, $version, $buckets, $artefacts and $scratch, and Terraform's
# outputs; `${…}` in single quotes is Terraform's.

step() { printf '\n== %s\n' "$*" >&2; }

ended() { # STATUS: however the script ends
    rm -rf "$scratch"
    [[ $1 -eq 0 || -z $advice ]] || say "deploy of $environment failed: $advice"
}

way_back() {
    printf 'script/deploy %s --to %s' "$environment" "${previous:-VERSION, one of aws s3 ls s3://${buckets##* }/}"
}

require_tools() { # all, before anything is done
    local tool
    for tool in "${TERRAFORM:=terraform}" aws python3 curl git; do
        command -v "$tool" >/dev/null || die "$tool is missing"
    done
    [[ $mode != --plan ]] || return 0
    [[ -x $WRANGLER ]] || die "wrangler is missing: script/bootstrap installs it"
    # What goes back builds nothing but the command that publishes routes.
    [[ ($mode == --to || -n ${SOUK_ARTEFACTS-}) && -z ${SOUK_DIRECTORY_DATABASE_URL-} ]] ||
        command -v cargo >/dev/null || die "cargo is missing: script/bootstrap says how to get it"
}

require_accounts() {
    local region
    region=$(sed -n 's/^region *= *"\(.*\)"/\1/p' "$root/backend.hcl")
    aws sts get-caller-identity --region "$region" --query Account --output text >/dev/null 2>&1 ||
        die "AWS takes no credentials from here: sign in (aws sso login, or AWS_PROFILE), then run this again"
    [[ -n ${CLOUDFLARE_API_TOKEN-} ]] ||
        die "CLOUDFLARE_API_TOKEN is not set: infra/terraform/README.md says what the token may do"
}

version_of_tree() { # such as 20261121-1a3bfc6d2e4f: the commit's day and hash
    [[ -z $(git -C "$SOUK_ROOT" status --porcelain) ]] ||
        die "what is deployed must be a commit: git status shows changes"
    git -C "$SOUK_ROOT" log -1 --format=%cd-%h --date=format:%Y%m%d --abbrev=12
}

tf() { "$TERRAFORM" -chdir="$root" "$@"; }

initialise() { tf init -input=false -backend-config=backend.hcl >/dev/null; }

output() { # EXPRESSION over `o`, Terraform's outputs, in Python
    python3 -IS -c 'import json, sys; o = {k: v["value"] for k, v in json.load(open(sys.argv[1])).items()}; r = eval(sys.argv[2]); print("\n".join(r) if isinstance(r, list) else r)' \
        "$artefacts/outputs.json" "$1"
}

is_version() { [[ $1 =~ ^[0-9]{8}-[0-9a-f]{12,40}$ ]]; }

deployed_version() { # fails before the first time
    local version
    version=$(tf output -raw artefact_version 2>/dev/null) || return 1
    # Terraform ends well where there is no output, and prints a warning instead.
    is_version "$version" && printf '%s\n' "$version"
}

buckets() { # REGION BUCKET, a line each: from the settings alone, since before the first time there is nothing else
    mkdir -p "$scratch/settings"
    cp -L "$root/variables.tf" "$scratch/settings/"
    "$TERRAFORM" -chdir="$scratch/settings" console -var-file="$root/terraform.tfvars" -var "artefact_version=$version" \
        <<<'join(",", [for r, s in var.regions : "${r} ${s.artefacts_bucket}"])' | tr -d '"' | tr ',' '\n'
}

package_artefacts() {
    local wanted
    wanted=$(sed -n 's/^architecture *= *"\(.*\)"/\1/p' "$root/terraform.tfvars")
    if [[ -z ${SOUK_ARTEFACTS-} ]]; then
        [[ ${wanted:-arm64}/$(uname -m) =~ ^(arm64/aarch64|x86_64/x86_64)$ ]] ||
            die "functions are built for the machine they are built on: this one is $(uname -m), the environment wants ${wanted:-arm64}. Package on such a machine and name the folder by SOUK_ARTEFACTS, or set architecture in terraform.tfvars"
        step "package"
        cargo run --quiet --package xtask -- package --out "$artefacts"
    else
        [[ -d $SOUK_ARTEFACTS ]] || die "SOUK_ARTEFACTS names no folder: $SOUK_ARTEFACTS"
        [[ $(cd "$SOUK_ARTEFACTS" && pwd -P) != "$(pwd -P)/.souk/deploy"* ]] ||
            die "SOUK_ARTEFACTS is where this script puts its own: name another folder"
        rm -rf "$artefacts"
        mkdir -p "$(dirname "$artefacts")"
        cp -R "$SOUK_ARTEFACTS" "$artefacts"
    fi
    # Postgres proves who it is by RDS's own authorities; the layer has them.
    curl --fail --silent --show-error --proto '=https' --output "$artefacts/rds-ca.pem" \
        https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
    zip_of rds-ca.zip "$artefacts/rds-ca.pem" rds-ca.pem
    zip_of journey.zip "$SOUK_ROOT/infra/terraform/modules/observability/canary/journey.js" nodejs/node_modules/journey.js
}

zip_of() { # NAME FILE PATH_IN_ZIP: equal files make equal zips
    python3 - "$artefacts/$1" "$2" "$3" <<'PYTHON'
import sys, zipfile
out, file, name = sys.argv[1:]
entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
entry.external_attr = 0o644 << 16
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, open(file, "rb") as content:
    archive.writestr(entry, content.read(), zipfile.ZIP_DEFLATED)
PYTHON
}

upload_artefacts() {
    local region bucket
    while read -r region bucket; do
        step "upload to $bucket"
        aws s3 sync --only-show-errors --region "$region" "$artefacts" "s3://$bucket/$version/" \
            --exclude '*' --include 'souk-*.zip' --include journey.zip --include rds-ca.zip --include 'edge/*' </dev/null
    done <<<"$buckets"
}

fetch_artefacts() { # VERSION: from the first region that has it, since one may be lost
    local region bucket
    while read -r region bucket; do
        rm -rf "$artefacts"
        mkdir -p "$artefacts"
        aws s3 sync --only-show-errors --region "$region" "s3://$bucket/$1/" "$artefacts" </dev/null || continue
        [[ ! -f $artefacts/edge/index.js ]] || return 0
    done <<<"$buckets"
    die "no region has artefacts of $1: aws s3 ls s3://$bucket/ lists versions"
}

stand_in_artefacts() { # a plan wants to read the worker: what runs stands for what is not built yet
    local deployed
    if deployed=$(deployed_version); then
        fetch_artefacts "$deployed"
        [[ -z ${SOUK_DRIFT-} ]] || version=$deployed
    else
        mkdir -p "$artefacts/edge"
        touch "$artefacts"/edge/index{.js,_bg.wasm}
    fi
}

data_lost() { # addresses of what holds data and would be deleted unnamed; what is replaced is deleted, too
    python3 -IS - "$scratch/plan.json" "${SOUK_MAY_DELETE-}" <<'PYTHON'
import json, sys

HOLD_DATA = {
    "aws_backup_vault", "aws_kms_key", "aws_rds_cluster", "aws_rds_global_cluster", "aws_s3_bucket",
    "aws_secretsmanager_secret", "aws_sqs_queue", "cloudflare_worker", "cloudflare_workers_kv_namespace",
}
with open(sys.argv[1]) as file:
    changes = json.load(file).get("resource_changes", [])
deleted = [c["address"] for c in changes if c["type"] in HOLD_DATA and "delete" in c["change"]["actions"]]
print("\n".join(address for address in deleted if address not in sys.argv[2].split()))
PYTHON
}

confirm() { # on a terminal
    [[ -t 0 && -t 2 ]] || return 0
    local answer
    read -rp "Apply this plan to $environment? Type its name: " answer || true
    [[ $answer == "$environment" ]] || die "$environment was not named"
}

require_secrets() { # those that people fill
    local region name missing=0
    region=$(output 'o["active_region"]')
    for name in stripe-accounts cloudflare-token db-owner canary-api-key; do
        aws secretsmanager describe-secret --region "$region" --secret-id "$(output 'o["name"]')/$name" >/dev/null 2>&1 || continue
        if ! aws secretsmanager get-secret-value --region "$region" --secret-id "$(output 'o["name"]')/$name" --query ARN >/dev/null 2>&1; then
            say "the secret $(output 'o["name"]')/$name has no value: aws secretsmanager put-secret-value --region $region --secret-id $(output 'o["name"]')/$name --secret-string file://…"
            missing=1
        fi
    done
    [[ $missing -eq 0 ]] || die "fill these secrets, then run this again: nothing has been switched over"
}

make_directory_database() { # where Aurora has none yet; it answers by the Data API, without a way into the VPC
    [[ $(output 'o["database"]["cluster"] is not None') == True ]] || return 0
    local region cluster secret tries=1 there
    region=$(output 'o["active_region"]')
    cluster=$(output 'o["database"]["cluster"]["arn"]')
    secret=$(aws secretsmanager describe-secret --region "$region" --secret-id "$(output 'o["database"]["owner_secret"]')" --query ARN --output text)
    # One that pauses refuses until it has woken up.
    until there=$(data_api "$region" "$cluster" "$secret" "SELECT 1 FROM pg_database WHERE datname = 'souk_directory'"); do
        [[ $((tries++)) -lt 6 ]] || die "the database does not answer"
        sleep 10
    done
    [[ $there == *longValue* ]] || data_api "$region" "$cluster" "$secret" "CREATE DATABASE souk_directory" >/dev/null
}

data_api() { # REGION CLUSTER SECRET SQL
    aws rds-data execute-statement --region "$1" --resource-arn "$2" --secret-arn "$3" --database souk --sql "$4"
}

migrate() { # by the version that was just published; the functions of before go on when it fails
    local region name number failed answer
    region=$(output 'o["active_region"]')
    name=$(output 'o["functions"][o["active_region"]]["migrate"]["name"]')
    number=$(output 'o["functions"][o["active_region"]]["migrate"]["version"]')
    answer=$artefacts/migrate.json
    failed=$(aws lambda invoke --region "$region" --function-name "$name" --qualifier "$number" \
        --cli-read-timeout 330 --query FunctionError --output text "$answer") || die "the migration could not be started"
    say "$(<"$answer")"
    [[ $failed == None ]] || die "the migration failed: docs/runbooks/migration-failed.md"
}

move_functions() { # all at the same time; each is taken back by its own alarm
    local functions region key name alias wanted group app hook current deployment started=() failed=0
    functions=$(output '[" ".join([r, k, f["name"], f["alias"], f["version"], f["group"]]) for r, fs in o["functions"].items() for k, f in fs.items()]')
    while read -r region key name alias wanted group; do
        app=$(output "o['delivery_application']['$region']")
        hook=$(output "o['delivery_hook']['$region'] or ''")
        current=$(aws lambda get-alias --region "$region" --function-name "$name" --name "$alias" --query FunctionVersion --output text </dev/null)
        [[ $current != "$wanted" ]] || continue
        deployment=$(aws deploy create-deployment --region "$region" --application-name "$app" --deployment-group-name "$group" \
            --description "$version" --query deploymentId --output text \
            --revision "$(revision "$name" "$alias" "$current" "$wanted" "$hook")" </dev/null)
        started+=("$region $deployment $key")
        say "$region $key: $current to $wanted"
    done <<<"$functions"
    for deployment in "${started[@]}"; do
        read -r region deployment key <<<"$deployment"
        aws deploy wait deployment-successful --region "$region" --deployment-id "$deployment" || {
            say "$region $key was taken back: aws deploy get-deployment --region $region --deployment-id $deployment"
            failed=1
        }
    done
    [[ $failed -eq 0 ]] || die "a function was taken back: docs/runbooks/pre-traffic-refused.md, function-errors.md"
}

revision() { # NAME ALIAS CURRENT WANTED HOOK: what CodeDeploy wants to be told
    python3 - "$@" <<'PYTHON'
import hashlib, json, sys
name, alias, current, wanted, hook = sys.argv[1:]
content = json.dumps({"version": 0.0, "Resources": [{name: {"Type": "AWS::Lambda::Function", "Properties": {
    "Name": name, "Alias": alias, "CurrentVersion": current, "TargetVersion": wanted}}}],
    **({"Hooks": [{"BeforeAllowTraffic": hook}]} if hook else {})})
print(json.dumps({"revisionType": "AppSpecContent", "appSpecContent": {
    "content": content, "sha256": hashlib.sha256(content.encode()).hexdigest()}}))
PYTHON
}

WRANGLER=$SOUK_ROOT/edge/node_modules/.bin/wrangler
wrangler() { CLOUDFLARE_ACCOUNT_ID=$(output 'o["edge"]["account_id"]') "$WRANGLER" "$@"; }

move_edge() { # the newest version, with today's signing key: a tenth for five minutes, then all
    local worker region ring secrets=$scratch/secrets signs before after
    worker=$(output 'o["edge"]["worker"]')
    region=$(output 'o["active_region"]')
    ring=$(output 'o["edge"]["signing_ring_secret"]')
    # The value goes from one service into the other: not through an argument, not into a log.
    (umask 077 && aws secretsmanager get-secret-value --region "$region" --secret-id "$ring" --query SecretString --output text |
        python3 -c 'import json, sys; r = json.load(sys.stdin); print(json.dumps({"SIGNING_KEY": r["keys"][r["signs"]], "SIGNING_KEY_ID": r["signs"]}))' >"$secrets")
    signs=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["SIGNING_KEY_ID"])' "$secrets")
    wrangler versions secret bulk "$secrets" --name "$worker" --message "$version" || die "the edge's secrets were not taken"
    rm "$secrets"
    after=$(wrangler versions list --name "$worker" --json | python3 -c 'import json, sys; print(max(json.load(sys.stdin), key=lambda v: v["number"])["id"])')
    before=$(wrangler deployments status --name "$worker" --json | python3 -c 'import json, sys; print(max(json.load(sys.stdin)["versions"], key=lambda v: v["percentage"])["version_id"])')
    if [[ $environment == prod && $before != "$after" ]]; then
        wrangler versions deploy "$after@10%" "$before@90%" --name "$worker" --yes
        sleep 300
        smoke_test "$after" || {
            wrangler versions deploy "$before@100%" --name "$worker" --yes
            die "the edge was taken back"
        }
    fi
    wrangler versions deploy "$after@100%" --name "$worker" --yes
    # The keys' rotation goes on meanwhile, and its last step is to tell the edge again: this only makes it sooner.
    [[ $signs == "$(signing_id "$region" "$ring")" ]] || say "the edge's key was rotated meanwhile; the rotation tells the edge again"
}

signing_id() { # REGION SECRET
    aws secretsmanager get-secret-value --region "$1" --secret-id "$2" --query SecretString --output text |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["signs"])'
}

publish_routes() { # what differs from what the directory knows
    if [[ -z ${SOUK_DIRECTORY_DATABASE_URL-} ]]; then
        say "not published: SOUK_DIRECTORY_DATABASE_URL is not set; the edge goes by what was published last (souk edge publish)"
        return 0
    fi
    SOUK_EDGE_KV_NAMESPACE=$(output 'o["edge"]["kv_namespace_ids"]["ROUTES"]') \
        CLOUDFLARE_ACCOUNT_ID=$(output 'o["edge"]["account_id"]') \
        cargo run --quiet --release --package souk-cli -- edge publish
}

smoke_test() { # [EDGE_VERSION]: the edge answers, and where there is a synthetic buyer, it can buy
    # Each failure returns by itself: where this is asked by `||`, bash stops at none.
    local hosts host active alarm override=()
    [[ -z ${1-} ]] || override=(--header "Cloudflare-Workers-Version-Overrides: $(output 'o["edge"]["worker"]')=\"$1\"")
    hosts=$(output 'o["edge"]["hosts"]') || return 1
    while read -r host; do
        # Any name stands for all of them: the worker answers this without asking whose it is.
        host=${host/#\*/deploy-check}
        curl --fail --silent --show-error --max-time 20 --retry 3 --output /dev/null "${override[@]}" "https://$host/healthz" </dev/null || {
            say "https://$host/healthz does not answer: docs/runbooks/error-budget-burns.md"
            return 1
        }
    done <<<"$hosts"
    active=$(output 'o["active_region"]') || return 1
    alarm=$(aws cloudwatch describe-alarms --region "$active" --alarm-names "$(output 'o["name"]')-journey" --query 'MetricAlarms[0].StateValue' --output text) || return 1
    [[ $alarm != ALARM ]] || {
        say "the order journey fails: docs/runbooks/order-journey-fails.md"
        return 1
    }
}
