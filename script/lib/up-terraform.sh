# shellcheck shell=bash
# Steps of `script/up --terraform`.

terraform=${TERRAFORM:-terraform}
# A copy, with its state and what it downloads: the tree stays as it is.
terraform_dir=$SOUK_ROOT/.souk/terraform
operator_env=$SOUK_ROOT/.souk/operator.env

prepare_terraform() { # or says in a sentence why not, and ends
    command -v "$terraform" >/dev/null ||
        die "there is no terraform: install version 1.11 or newer, or name one by TERRAFORM; nothing was started"
    [[ -z ${SOUK_TERRAFORM_SCHEMA_ONLY-} ]] ||
        die "SOUK_TERRAFORM_SCHEMA_ONLY is set: providers that know schemas only can apply nothing; nothing was started"
    rm -rf "$terraform_dir"
    mkdir -p "$terraform_dir"
    tar -C "$SOUK_ROOT/infra" --exclude .terraform --exclude .terraform.lock.hcl -cf - . | tar -C "$terraform_dir" -xf -
    tf_local init -input=false -no-color >"$terraform_dir/init.log" 2>&1 ||
        die "terraform cannot download the AWS provider ($terraform_dir/init.log says why); nothing was started"
}

tf_local() { "$terraform" -chdir="$terraform_dir/terraform/local" "$@"; }

up_with_terraform() { # arguments of the stack
    rm -f "$operator_env"
    (xtask stack "$@") &
    local stack=$!
    trap 'kill -INT "$stack" 2>/dev/null || true; wait "$stack" || true; rm -rf "$terraform_dir"' EXIT
    trap 'exit 130' INT TERM
    # Written when all of it runs.
    until [[ -s $operator_env ]]; do
        kill -0 "$stack" 2>/dev/null || die "the local cloud has not started"
        sleep 0.5
    done
    apply_terraform || {
        kill -INT "$stack" 2>/dev/null || true
        die "terraform could not apply infra/terraform/local"
    }
    wait "$stack"
}

apply_terraform() {
    local endpoint
    endpoint=$(
        # shellcheck disable=SC1090
        source "$operator_env"
        printf '%s' "$AWS_ENDPOINT_URL"
    )
    local architecture=x86_64
    [[ $(uname -m) != aarch64 ]] || architecture=arm64
    tf_local apply -input=false -auto-approve -no-color \
        -var "endpoint=${endpoint/localhost/127.0.0.1}" \
        -var "architecture=$architecture" \
        -var "artefacts_dir=${SOUK_ARTEFACTS:-$SOUK_ROOT/.souk/artefacts}" || return
    # What was applied is what the modules say: a second plan has nothing to do.
    tf_local plan -input=false -no-color -detailed-exitcode \
        -var "endpoint=${endpoint/localhost/127.0.0.1}" \
        -var "architecture=$architecture" \
        -var "artefacts_dir=${SOUK_ARTEFACTS:-$SOUK_ROOT/.souk/artefacts}" >"$terraform_dir/plan.log" ||
        say "the local cloud does not keep all that was applied: $terraform_dir/plan.log"
    say "terraform: applied; HTTP API $(tf_local output -raw origin_url)"
}
