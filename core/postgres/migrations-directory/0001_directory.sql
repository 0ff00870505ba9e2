-- The control plane: which tenants there are, under which hosts, with which keys, on which shard; and
-- who changed what. A database of its own, small and seldom written.
--   the owner               migrates and administers; it cannot change or remove what the audit log has
--   souk_directory_reader   the functions: where a tenant is placed, and nothing else

DO $$
BEGIN
    CREATE ROLE souk_directory_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

CREATE SCHEMA souk_directory;
REVOKE ALL ON SCHEMA souk_directory FROM PUBLIC;
GRANT USAGE ON SCHEMA souk_directory TO souk_directory_reader;

CREATE TABLE souk_directory.tenants (
    tenant_id         uuid        NOT NULL,
    name              text        NOT NULL,
    status            text        NOT NULL DEFAULT 'active',
    region            text        NOT NULL,
    shard             text        NOT NULL,
    -- Raised by each move.
    placement_version bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT tenants_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT tenants_status_known CHECK (status IN ('active', 'suspended')),
    CONSTRAINT tenants_region_form CHECK (region ~ '^[a-z0-9-]{1,32}$'),
    CONSTRAINT tenants_shard_form CHECK (shard ~ '^[a-z0-9-]{1,32}$'),
    CONSTRAINT tenants_placement_version_positive CHECK (placement_version >= 1)
);

-- A host leads to one tenant. In the form that the edge looks up: lower case, no port, no dot at the end.
CREATE TABLE souk_directory.domains (
    host       text        NOT NULL,
    tenant_id  uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT domains_pkey PRIMARY KEY (host),
    CONSTRAINT domains_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk_directory.tenants,
    CONSTRAINT domains_host_form CHECK (length(host) <= 253 AND host ~ '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')
);
CREATE INDEX domains_tenant_idx ON souk_directory.domains (tenant_id);

-- The key itself is known to its holder only.
CREATE TABLE souk_directory.api_keys (
    api_key_id   uuid        NOT NULL,
    tenant_id    uuid        NOT NULL,
    -- Under whose name its holder acts. Keys that replace one another share it, so that a retry with
    -- the new one finds what the old one began.
    principal    text        NOT NULL,
    kind         text        NOT NULL,
    sha256       bytea       NOT NULL,
    shown_prefix text        NOT NULL,
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (api_key_id),
    CONSTRAINT api_keys_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk_directory.tenants,
    CONSTRAINT api_keys_sha256_key UNIQUE (sha256),
    CONSTRAINT api_keys_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT api_keys_kind_known CHECK (kind IN ('publishable', 'secret')),
    CONSTRAINT api_keys_principal_form CHECK (principal ~ '^[!-~]{1,128}$'),
    -- No more than eight characters beyond `souk_sk_`.
    CONSTRAINT api_keys_shown_prefix_length CHECK (length(shown_prefix) BETWEEN 8 AND 16)
);
CREATE INDEX api_keys_tenant_idx ON souk_directory.api_keys (tenant_id, api_key_id);

-- How far a move has come. A step is written down when it is done; whoever goes on raises the token,
-- and what is written under an older one is refused, here and on the shards.
CREATE TABLE souk_directory.tenant_moves (
    move_id         uuid        NOT NULL,
    tenant_id       uuid        NOT NULL,
    from_shard      text        NOT NULL,
    to_shard        text        NOT NULL,
    step            text        NOT NULL,
    fencing_token   bigint      NOT NULL DEFAULT 1,
    -- The oldest transaction of the source that the last complete copy may have missed, an xid8.
    copied_below    text,
    detail          text        NOT NULL DEFAULT '',
    started_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    CONSTRAINT tenant_moves_pkey PRIMARY KEY (move_id),
    CONSTRAINT tenant_moves_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk_directory.tenants,
    CONSTRAINT tenant_moves_shards_differ CHECK (from_shard <> to_shard),
    CONSTRAINT tenant_moves_step_known
        CHECK (step IN ('started', 'prepared', 'copied', 'held', 'switched', 'finished', 'aborted')),
    CONSTRAINT tenant_moves_finished_iff_over
        CHECK ((finished_at IS NOT NULL) = (step IN ('finished', 'aborted')))
);
-- One at a time.
CREATE UNIQUE INDEX tenant_moves_open_key ON souk_directory.tenant_moves (tenant_id)
    WHERE finished_at IS NULL;

---------------------------------------------------------------------------------------------------
-- The audit log. Each entry's hash covers the entry before, so that none can be altered, removed or
-- put elsewhere without every later one being wrong. What a chain cannot show by itself is a missing
-- end: the head is kept beside it, and `souk audit verify` prints it to be kept elsewhere too.
---------------------------------------------------------------------------------------------------

CREATE TABLE souk_directory.audit_log (
    seq           bigint      NOT NULL,
    at            timestamptz NOT NULL,
    actor         text        NOT NULL,
    action        text        NOT NULL,
    tenant_id     uuid,
    detail        jsonb       NOT NULL,
    previous_hash bytea       NOT NULL,
    hash          bytea       NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (seq),
    CONSTRAINT audit_log_seq_positive CHECK (seq >= 1),
    CONSTRAINT audit_log_at_finite CHECK (isfinite(at)),
    CONSTRAINT audit_log_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT audit_log_detail_object CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT audit_log_hash_length
        CHECK (octet_length(hash) = 32 AND octet_length(previous_hash) = 32)
);
CREATE INDEX audit_log_tenant_idx ON souk_directory.audit_log (tenant_id, seq);

-- The last entry; its lock is the order of entries.
CREATE TABLE souk_directory.audit_head (
    one  boolean NOT NULL DEFAULT true,
    seq  bigint  NOT NULL,
    hash bytea   NOT NULL,
    CONSTRAINT audit_head_pkey PRIMARY KEY (one),
    CONSTRAINT audit_head_one CHECK (one),
    CONSTRAINT audit_head_hash_length CHECK (octet_length(hash) = 32)
);
INSERT INTO souk_directory.audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION souk_directory.refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever appended to' USING ERRCODE = 'SK020';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON souk_directory.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION souk_directory.refuse_change();
ALTER TABLE souk_directory.audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
-- The owner too; it could give itself the right again, which is why there is a chain.
REVOKE UPDATE, DELETE, TRUNCATE ON souk_directory.audit_log FROM CURRENT_USER;

-- By column: a later one is not seen before it is granted.
GRANT SELECT (tenant_id, status, shard, placement_version) ON souk_directory.tenants
    TO souk_directory_reader;
