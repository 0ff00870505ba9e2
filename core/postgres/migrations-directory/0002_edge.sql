-- What the edge is told of tenants besides whose they are: plans and limits, issuers of tokens, pages, switches; what it
-- is told of all of them; and what was published of it, since when. No secret is kept here, and none but digests of keys
-- is published.

-- A pattern for all hosts one label below another name: never below a whole top-level domain.
ALTER TABLE souk_directory.domains
    DROP CONSTRAINT domains_host_form,
    ADD CONSTRAINT domains_host_form CHECK (
        length(host) <= 253
        AND host ~ '^(\*\.[a-z0-9-]+\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$'
    );

-- Where a tenant's requests may be processed at all: `eu` has `eu`, `eu-west` and so on. Without it, anywhere.
ALTER TABLE souk_directory.tenants
    ADD COLUMN residency text,
    ADD CONSTRAINT tenants_residency_form CHECK (residency ~ '^[a-z0-9]{1,32}$'),
    ADD CONSTRAINT tenants_region_within_residency
        CHECK (residency IS NULL OR region = residency OR starts_with(region, residency || '-'));

-- How often callers of a tenant may call. What is not said is not limited.
CREATE TABLE souk_directory.plans (
    plan               text    NOT NULL,
    -- All callers of a tenant together.
    tenant_interval_us bigint,
    tenant_burst       integer,
    -- Each of them.
    key_interval_us    bigint,
    key_burst          integer,
    -- Only say in the log what would have been refused.
    shadow             boolean NOT NULL DEFAULT false,
    CONSTRAINT plans_pkey PRIMARY KEY (plan),
    CONSTRAINT plans_plan_form CHECK (plan ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    CONSTRAINT plans_tenant_limit CHECK (
        (tenant_interval_us IS NULL) = (tenant_burst IS NULL)
        AND tenant_interval_us BETWEEN 1 AND 3600000000 AND tenant_burst BETWEEN 1 AND 1000000
    ),
    CONSTRAINT plans_key_limit CHECK (
        (key_interval_us IS NULL) = (key_burst IS NULL)
        AND key_interval_us BETWEEN 1 AND 3600000000 AND key_burst BETWEEN 1 AND 1000000
    )
);

-- Of a tenant. What is null is the plan's.
CREATE TABLE souk_directory.edge_tenants (
    tenant_id          uuid     NOT NULL,
    plan               text,
    tenant_interval_us bigint,
    tenant_burst       integer,
    key_interval_us    bigint,
    key_burst          integer,
    shadow             boolean,
    -- Origins of pages that may read answers, `https://shop.example`.
    cors_origins       text[]   NOT NULL DEFAULT '{}',
    -- Kill switches: names of operations or functions, `writes` or `all`.
    disabled           text[]   NOT NULL DEFAULT '{}',
    features           text[]   NOT NULL DEFAULT '{}',
    canary_percent     smallint NOT NULL DEFAULT 0,
    CONSTRAINT edge_tenants_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT edge_tenants_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk_directory.tenants,
    CONSTRAINT edge_tenants_plan_fkey FOREIGN KEY (plan) REFERENCES souk_directory.plans,
    CONSTRAINT edge_tenants_tenant_limit CHECK (
        (tenant_interval_us IS NULL) = (tenant_burst IS NULL)
        AND tenant_interval_us BETWEEN 1 AND 3600000000 AND tenant_burst BETWEEN 1 AND 1000000
    ),
    CONSTRAINT edge_tenants_key_limit CHECK (
        (key_interval_us IS NULL) = (key_burst IS NULL)
        AND key_interval_us BETWEEN 1 AND 3600000000 AND key_burst BETWEEN 1 AND 1000000
    ),
    CONSTRAINT edge_tenants_cors_origins_form CHECK (
        cardinality(cors_origins) <= 32 AND array_position(cors_origins, NULL) IS NULL
        AND array_to_string(cors_origins, '') !~ ' '
        AND (' ' || array_to_string(cors_origins, ' ')) ~ '^( |( https?://[a-z0-9.:-]{1,120})+)$'
    ),
    CONSTRAINT edge_tenants_disabled_form CHECK (
        cardinality(disabled) <= 64 AND array_position(disabled, NULL) IS NULL
        AND array_to_string(disabled, '') !~ ' '
        AND (' ' || array_to_string(disabled, ' ')) ~ '^( |( [a-z0-9_-]{1,128})+)$'
    ),
    CONSTRAINT edge_tenants_features_form CHECK (
        cardinality(features) <= 64 AND array_position(features, NULL) IS NULL
        AND array_to_string(features, '') !~ ' '
        AND (' ' || array_to_string(features, ' ')) ~ '^( |( [a-z0-9_-]{1,64})+)$'
    ),
    CONSTRAINT edge_tenants_canary_percent CHECK (canary_percent BETWEEN 0 AND 100)
);
CREATE INDEX edge_tenants_plan_idx ON souk_directory.edge_tenants (plan);

-- Who may issue tokens for a tenant's callers, and how they are checked.
CREATE TABLE souk_directory.edge_issuers (
    tenant_id    uuid   NOT NULL,
    -- What names of principals begin with.
    name         text   NOT NULL,
    -- What `iss` must be.
    issuer       text   NOT NULL,
    jwks_url     text   NOT NULL,
    algorithm    text   NOT NULL,
    audience     text   NOT NULL,
    tenant_claim text   NOT NULL,
    -- What `typ` must be, where it is not one of the usual ones.
    token_type   text,
    grants       text[] NOT NULL,
    -- For each role a list of scopes.
    roles        jsonb  NOT NULL DEFAULT '{}',
    CONSTRAINT edge_issuers_pkey PRIMARY KEY (tenant_id, name),
    CONSTRAINT edge_issuers_issuer_key UNIQUE (tenant_id, issuer),
    CONSTRAINT edge_issuers_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk_directory.tenants,
    CONSTRAINT edge_issuers_name_form CHECK (name ~ '^[a-z0-9-]{1,16}$'),
    CONSTRAINT edge_issuers_algorithm_known CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    CONSTRAINT edge_issuers_jwks_url_form
        CHECK (jwks_url ~ '^(https://|http://(127\.0\.0\.1|localhost)(:|/))' AND octet_length(jwks_url) <= 256),
    CONSTRAINT edge_issuers_texts_length CHECK (
        octet_length(issuer) BETWEEN 1 AND 256 AND octet_length(audience) BETWEEN 1 AND 256
        AND octet_length(tenant_claim) BETWEEN 1 AND 256
        AND coalesce(octet_length(token_type), 1) BETWEEN 1 AND 256
    ),
    CONSTRAINT edge_issuers_grants_form CHECK (
        cardinality(grants) <= 32 AND array_position(grants, NULL) IS NULL
        AND array_to_string(grants, '') !~ ' '
        AND (' ' || array_to_string(grants, ' ')) ~ '^( |( [a-z0-9_]+:[a-z0-9_]+)+)$'
    ),
    CONSTRAINT edge_issuers_roles_object CHECK (jsonb_typeof(roles) = 'object')
);

-- What counts for all tenants.
CREATE TABLE souk_directory.edge_settings (
    one                 boolean NOT NULL DEFAULT true,
    -- How often one address may come to one isolate.
    address_interval_us bigint,
    address_burst       integer,
    disabled            text[]  NOT NULL DEFAULT '{}',
    -- Hosts that keys of issuers are fetched from: no other is asked, whatever a tenant's record says.
    issuer_hosts        text[]  NOT NULL DEFAULT '{}',
    CONSTRAINT edge_settings_pkey PRIMARY KEY (one),
    CONSTRAINT edge_settings_one CHECK (one),
    CONSTRAINT edge_settings_address_limit CHECK (
        (address_interval_us IS NULL) = (address_burst IS NULL)
        AND address_interval_us BETWEEN 1 AND 3600000000 AND address_burst BETWEEN 1 AND 1000000
    ),
    CONSTRAINT edge_settings_disabled_form CHECK (
        cardinality(disabled) <= 64 AND array_position(disabled, NULL) IS NULL
        AND array_to_string(disabled, '') !~ ' '
        AND (' ' || array_to_string(disabled, ' ')) ~ '^( |( [a-z0-9_-]{1,128})+)$'
    ),
    CONSTRAINT edge_settings_issuer_hosts_form CHECK (
        cardinality(issuer_hosts) <= 100 AND array_position(issuer_hosts, NULL) IS NULL
        AND array_to_string(issuer_hosts, '') !~ ' '
        AND (' ' || array_to_string(issuer_hosts, ' ')) ~ '^( |( [A-Za-z0-9.:-]{1,253})+)$'
    )
);
INSERT INTO souk_directory.edge_settings DEFAULT VALUES;

-- Addresses that are not served.
CREATE TABLE souk_directory.edge_denied (
    range      text        NOT NULL,
    reason     text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    CONSTRAINT edge_denied_pkey PRIMARY KEY (range),
    CONSTRAINT edge_denied_range_form CHECK (range ~ '^[0-9a-f.:]+/[0-9]{1,3}$'),
    CONSTRAINT edge_denied_reason_length CHECK (length(reason) <= 200)
);

---------------------------------------------------------------------------------------------------
-- What was published. An entry lies in the edge's store from one publication until another: so each
-- publication is known whole, and only what differs is kept.
---------------------------------------------------------------------------------------------------

-- The last publication's number, and who is publishing: one at a time, under a lease with a token.
CREATE TABLE souk_directory.edge_head (
    one          boolean NOT NULL DEFAULT true,
    version      bigint  NOT NULL DEFAULT 0,
    lease_token  bigint  NOT NULL DEFAULT 0,
    lease_holder text    NOT NULL DEFAULT '',
    lease_until  timestamptz,
    CONSTRAINT edge_head_pkey PRIMARY KEY (one),
    CONSTRAINT edge_head_one CHECK (one)
);
INSERT INTO souk_directory.edge_head DEFAULT VALUES;

CREATE TABLE souk_directory.edge_publications (
    version     bigint      NOT NULL,
    made_at     timestamptz NOT NULL,
    made_by     text        NOT NULL,
    -- SHA-256 over all its keys and values.
    digest      bytea       NOT NULL,
    entries     bigint      NOT NULL,
    -- Which publication it went back to.
    restores    bigint,
    -- When all of it was in the store.
    finished_at timestamptz,
    CONSTRAINT edge_publications_pkey PRIMARY KEY (version),
    CONSTRAINT edge_publications_version_positive CHECK (version >= 1),
    CONSTRAINT edge_publications_made_by_length CHECK (length(made_by) BETWEEN 1 AND 200),
    CONSTRAINT edge_publications_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT edge_publications_restores_earlier CHECK (restores < version)
);

CREATE TABLE souk_directory.edge_entries (
    key           text   NOT NULL,
    from_version  bigint NOT NULL,
    -- The first publication that does not have it.
    until_version bigint,
    -- Whose it is; the settings are nobody's.
    tenant_id     uuid,
    value         text   NOT NULL,
    CONSTRAINT edge_entries_pkey PRIMARY KEY (key, from_version),
    CONSTRAINT edge_entries_from_fkey FOREIGN KEY (from_version) REFERENCES souk_directory.edge_publications,
    CONSTRAINT edge_entries_until_later CHECK (until_version > from_version),
    CONSTRAINT edge_entries_key_form CHECK (key ~ '^(host|tenant|edge):[!-~]+$' AND octet_length(key) <= 512),
    CONSTRAINT edge_entries_value_length CHECK (octet_length(value) <= 65536)
);
-- One at a time.
CREATE UNIQUE INDEX edge_entries_current_key ON souk_directory.edge_entries (key) WHERE until_version IS NULL;

-- What the store is known to hold, which its own list tells late. Without a digest: something was about to be written or
-- removed, and nobody knows whether it was.
CREATE TABLE souk_directory.edge_stored (
    key    text NOT NULL,
    sha256 bytea,
    CONSTRAINT edge_stored_pkey PRIMARY KEY (key),
    CONSTRAINT edge_stored_sha256_length CHECK (octet_length(sha256) = 32)
);
