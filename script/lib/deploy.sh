# shellcheck shell=bash disable=SC2154,SC2016
# Steps of script/deploy. They use its $environment, $root, $version and $artefacts, and Terraform's outputs; `${…}` in
# single quotes is Terraform's.

step() { printf '\n== %s\n' "$*" >&2; }

version_of_tree() { # such as 20261121-1a3bfc6d2e4f: the commit's day and hash
    [[ -z $(git -C "$SOUK_ROOT" status --porcelain) ]] ||
        die "what is deployed must be a commit: git status shows changes"
    git -C "$SOUK_ROOT" log -1 --format=%cd-%h --date=format:%Y%m%d --abbrev=12
}

tf() { "$TERRAFORM" -chdir="$root" "$@"; }

initialise() { tf init -input=false -backend-config=backend.hcl >/dev/null; }

output() { # EXPRESSION over `o`, Terraform's outputs, in Python
    python3 -c 'import json, sys; o = {k: v["value"] for k, v in json.load(open(sys.argv[1])).items()}; r = eval(sys.argv[2]); print("\n".join(r) if isinstance(r, list) else r)' \
        "$artefacts/outputs.json" "$1"
}

deployed_version() { tf output -raw artefact_version; }

buckets() { # REGION BUCKET, a line each: before anything is applied
    tf console -var "artefact_version=$version" <<<'join(",", [for r, s in var.regions : "${r} ${s.artefacts_bucket}"])' |
        tr -d '"' | tr ',' '\n'
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
        rm -rf "$artefacts"
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
            --exclude '*' --include 'souk-*.zip' --include journey.zip --include rds-ca.zip --include 'edge/*'
    done < <(buckets)
}

fetch_artefacts() {
    local region bucket
    read -r region bucket < <(buckets)
    rm -rf "$artefacts"
    mkdir -p "$artefacts"
    aws s3 sync --only-show-errors --region "$region" "s3://$bucket/$version/" "$artefacts"
    [[ -f $artefacts/edge/index.js ]] || die "s3://$bucket/$version/ has no artefacts"
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
    local region cluster secret
    region=$(output 'o["active_region"]')
    cluster=$(output 'o["database"]["cluster"]["arn"]')
    secret=$(aws secretsmanager describe-secret --region "$region" --secret-id "$(output 'o["database"]["owner_secret"]')" --query ARN --output text)
    data_api "$region" "$cluster" "$secret" "SELECT 1 FROM pg_database WHERE datname = 'souk_directory'" |
        grep -q longValue || data_api "$region" "$cluster" "$secret" "CREATE DATABASE souk_directory" >/dev/null
}

data_api() { # REGION CLUSTER SECRET SQL
    aws rds-data execute-statement --region "$1" --resource-arn "$2" --secret-arn "$3" --database souk --sql "$4"
}

migrate() { # by the version that was just published; the functions of before go on when it fails
    local region name answer
    region=$(output 'o["active_region"]')
    name=$(output 'o["functions"][o["active_region"]]["migrate"]["name"]')
    answer=$artefacts/migrate.json
    if [[ $(aws lambda invoke --region "$region" --function-name "$name" --qualifier "$(newest "$region" "$name")" \
        --cli-read-timeout 330 --query FunctionError --output text "$answer") != None ]]; then
        cat "$answer" >&2
        die "the migration failed: docs/runbooks/migration-failed.md"
    fi
    say "$(<"$answer")"
}

newest() { # REGION FUNCTION: the version that was published last
    aws lambda list-versions-by-function --region "$1" --function-name "$2" --query 'Versions[-1].Version' --output text
}

move_functions() { # all at the same time; each is taken back by its own alarm
    local region key name alias group app current wanted started=()
    while read -r region key name alias group; do
        app=$(output "o['delivery_application']['$region']")
        current=$(aws lambda get-alias --region "$region" --function-name "$name" --name "$alias" --query FunctionVersion --output text)
        wanted=$(newest "$region" "$name")
        [[ $current != "$wanted" ]] || continue
        started+=("$region $(aws deploy create-deployment --region "$region" --application-name "$app" --deployment-group-name "$group" \
            --description "$version" --query deploymentId --output text \
            --revision "$(revision "$name" "$alias" "$current" "$wanted" "$(output "o['delivery_hook']['$region'] or ''")")")")
        say "$region $key: $current to $wanted"
    done < <(output '[" ".join([r, k, f["name"], f["alias"], f["group"]]) for r, fs in o["functions"].items() for k, f in fs.items()]')
    local deployment failed=0
    for deployment in "${started[@]}"; do
        region=${deployment% *}
        aws deploy wait deployment-successful --region "$region" --deployment-id "${deployment#* }" || failed=1
    done
    [[ $failed -eq 0 ]] || die "a function was taken back: docs/runbooks/pre-traffic-refused.md, function-errors.md; the edge still runs as before"
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

wrangler() { "$SOUK_ROOT/edge/node_modules/.bin/wrangler" "$@"; }

move_edge() { # the newest version, with today's signing key: a tenth for five minutes, then all
    local worker region ring secrets signs before after
    worker=$(output 'o["edge"]["worker"]')
    region=$(output 'o["active_region"]')
    ring=$(output 'o["edge"]["signing_ring_secret"]')
    secrets=$(mktemp)
    chmod 600 "$secrets"
    # The value goes from one service into the other: not through an argument, not into a log.
    aws secretsmanager get-secret-value --region "$region" --secret-id "$ring" --query SecretString --output text |
        python3 -c 'import json, sys; r = json.load(sys.stdin); print(json.dumps({"SIGNING_KEY": r["keys"][r["signs"]], "SIGNING_KEY_ID": r["signs"]}))' >"$secrets"
    signs=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["SIGNING_KEY_ID"])' "$secrets")
    wrangler versions secret bulk "$secrets" --name "$worker" --message "$version" || { rm -f "$secrets"; die "the edge's secrets were not taken"; }
    rm -f "$secrets"
    after=$(wrangler versions list --name "$worker" --json | python3 -c 'import json, sys; print(max(json.load(sys.stdin), key=lambda v: v["number"])["id"])')
    before=$(wrangler deployments status --name "$worker" --json | python3 -c 'import json, sys; print(max(json.load(sys.stdin)["versions"], key=lambda v: v["percentage"])["version_id"])')
    if [[ $environment == prod && $before != "$after" ]]; then
        wrangler versions deploy "$after@10%" "$before@90%" --name "$worker" --yes
        sleep 300
        smoke_test || { wrangler versions deploy "$before@100%" --name "$worker" --yes; die "the edge was taken back"; }
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

smoke_test() { # the edge answers, and where there is a synthetic buyer, it can buy
    local host alarm
    while read -r host; do
        [[ $host == \** ]] || curl --fail --silent --show-error --max-time 20 --retry 3 --output /dev/null "https://$host/healthz"
    done < <(output 'o["edge"]["hosts"]')
    alarm=$(aws cloudwatch describe-alarms --region "$(output 'o["active_region"]')" --alarm-names "$(output 'o["name"]')-journey" --query 'MetricAlarms[0].StateValue' --output text)
    [[ $alarm != ALARM ]] || { say "the order journey fails: docs/runbooks/order-journey-fails.md"; return 1; }
}
