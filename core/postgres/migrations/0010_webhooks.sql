-- Webhooks to the tenants' own systems: endpoints with their secrets, messages, deliveries and attempts.

CREATE TABLE souk.webhook_endpoints (
    tenant_id     uuid        NOT NULL,
    endpoint_id   uuid        NOT NULL,
    url           text        NOT NULL,
    description   text        NOT NULL,
    event_types   text[]      NOT NULL, -- patterns; none at all stands for every event
    ordered       boolean     NOT NULL,
    status        text        NOT NULL,
    disabled_by   text,
    disabled_at   timestamptz,
    failing_since timestamptz,
    events        bigint      NOT NULL DEFAULT 0,
    version       bigint      NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (tenant_id, endpoint_id),
    -- deleted: its deliveries stay, as a record.
    CONSTRAINT webhook_endpoints_status_known CHECK (status IN ('enabled', 'disabled', 'deleted')),
    CONSTRAINT webhook_endpoints_disabled_by_known
        CHECK (disabled_by IN ('owner', 'failing', 'gone')),
    CONSTRAINT webhook_endpoints_disabled_whole CHECK (
        status = 'deleted'
        OR num_nulls(disabled_by, disabled_at) = CASE status WHEN 'disabled' THEN 0 ELSE 2 END
    ),
    CONSTRAINT webhook_endpoints_url_length CHECK (octet_length(url) <= 2048),
    CONSTRAINT webhook_endpoints_event_types_count CHECK (cardinality(event_types) <= 50),
    CONSTRAINT webhook_endpoints_events_not_negative CHECK (events >= 0),
    CONSTRAINT webhook_endpoints_version_positive CHECK (version >= 1)
);

-- What an endpoint's messages are signed with: AES-256-GCM under the key key_id of the configuration,
-- bound to tenant, endpoint and generation. nonce, ciphertext, tag.
CREATE TABLE souk.webhook_secrets (
    tenant_id   uuid        NOT NULL,
    endpoint_id uuid        NOT NULL,
    generation  integer     NOT NULL,
    key_id      text        NOT NULL,
    sealed      bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz, -- none while it is the newest
    CONSTRAINT webhook_secrets_pkey PRIMARY KEY (tenant_id, endpoint_id, generation),
    CONSTRAINT webhook_secrets_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES souk.webhook_endpoints,
    CONSTRAINT webhook_secrets_generation_positive CHECK (generation >= 1),
    -- 12 bytes of nonce, 24 to 64 of the secret, 16 of the tag.
    CONSTRAINT webhook_secrets_sealed_length CHECK (octet_length(sealed) BETWEEN 52 AND 92)
);
CREATE UNIQUE INDEX webhook_secrets_newest_idx ON souk.webhook_secrets (tenant_id, endpoint_id)
    WHERE expires_at IS NULL;

-- What endpoints are told: one row an event, whoever wants it.
CREATE TABLE souk.webhook_messages (
    tenant_id   uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    subject_id  uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    occurred_at timestamptz NOT NULL,
    body        text        NOT NULL,
    CONSTRAINT webhook_messages_pkey PRIMARY KEY (tenant_id, event_id),
    CONSTRAINT webhook_messages_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT webhook_messages_body_length CHECK (octet_length(body) <= 65536)
);

CREATE TABLE souk.webhook_deliveries (
    tenant_id        uuid        NOT NULL,
    endpoint_id      uuid        NOT NULL,
    event_id         uuid        NOT NULL,
    subject_id       uuid        NOT NULL,
    sequence         bigint      NOT NULL,
    occurred_at      timestamptz NOT NULL,
    status           text        NOT NULL,
    attempts         integer     NOT NULL DEFAULT 0,
    failures         integer     NOT NULL DEFAULT 0, -- since it was entered or replayed
    replays          integer     NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz,
    -- Whoever attempts it holds it until then, by this database's clock. The token rises with each
    -- attempt; what is written under an older one changes nothing.
    lease_expires_at timestamptz,
    fencing_token    bigint      NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    settled_at       timestamptz,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (tenant_id, endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES souk.webhook_endpoints,
    CONSTRAINT webhook_deliveries_message_fkey FOREIGN KEY (tenant_id, event_id)
        REFERENCES souk.webhook_messages,
    CONSTRAINT webhook_deliveries_status_known
        CHECK (status IN ('pending', 'delivered', 'failed', 'skipped')),
    CONSTRAINT webhook_deliveries_next_attempt_iff_pending
        CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_settled_iff_not_pending
        CHECK ((status = 'pending') = (settled_at IS NULL)),
    CONSTRAINT webhook_deliveries_counts_not_negative
        CHECK (attempts >= 0 AND failures >= 0 AND replays >= 0)
);
-- What is due, by tenant.
CREATE INDEX webhook_deliveries_due_idx
    ON souk.webhook_deliveries (tenant_id, next_attempt_at, event_id) WHERE status = 'pending';
-- What a later event of the same subject waits for.
CREATE INDEX webhook_deliveries_order_idx
    ON souk.webhook_deliveries (tenant_id, endpoint_id, subject_id, sequence) WHERE status = 'pending';
-- What is under way to an endpoint.
CREATE INDEX webhook_deliveries_leased_idx
    ON souk.webhook_deliveries (tenant_id, endpoint_id) WHERE lease_expires_at IS NOT NULL;

CREATE TABLE souk.webhook_attempts (
    tenant_id   uuid        NOT NULL,
    endpoint_id uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    attempt     integer     NOT NULL,
    started_at  timestamptz NOT NULL,
    outcome     text        NOT NULL,
    status_code smallint,
    latency_ms  integer,
    error       text,
    response    text, -- its beginning
    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (tenant_id, endpoint_id, event_id, attempt),
    CONSTRAINT webhook_attempts_delivery_fkey FOREIGN KEY (tenant_id, endpoint_id, event_id)
        REFERENCES souk.webhook_deliveries,
    CONSTRAINT webhook_attempts_outcome_known
        CHECK (outcome IN ('started', 'delivered', 'failed', 'gone', 'lost')),
    CONSTRAINT webhook_attempts_attempt_positive CHECK (attempt >= 1),
    CONSTRAINT webhook_attempts_texts_length
        CHECK (octet_length(error) <= 500 AND octet_length(response) <= 2000)
);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'webhook_endpoints', 'webhook_secrets', 'webhook_messages', 'webhook_deliveries',
        'webhook_attempts'
    ] LOOP
        EXECUTE format('ALTER TABLE souk.%I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE souk.%I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY tenant_isolation ON souk.%I '
            'USING (tenant_id = souk.current_tenant_id()) '
            'WITH CHECK (tenant_id = souk.current_tenant_id())',
            tenant_table
        );
    END LOOP;
END
$$;

-- Whose deliveries are due, and nothing else of them.
CREATE POLICY sweeper_reads_due ON souk.webhook_deliveries FOR SELECT TO souk_sweeper
    USING (status = 'pending');
GRANT SELECT (tenant_id, status, next_attempt_at) ON souk.webhook_deliveries TO souk_sweeper;

GRANT SELECT, INSERT, UPDATE ON souk.webhook_endpoints, souk.webhook_deliveries,
    souk.webhook_attempts TO souk_app;
GRANT SELECT, INSERT ON souk.webhook_messages TO souk_app;
-- One that signs no more is not kept.
GRANT SELECT, INSERT, UPDATE, DELETE ON souk.webhook_secrets TO souk_app;
