-- One schema, three kinds of role:
--   the owner     runs migrations and nothing else;
--   souk_app      the functions that serve tenants: row level security decides what it sees;
--   souk_relay    the outbox relay: sees the outbox of every tenant, and nothing else at all.
-- Neither of the last two can bypass row level security, and FORCE holds the owner to it as well.
-- Roles belong to the cluster, not to the database, and may have been made by an earlier database.

DO $$
BEGIN
    CREATE ROLE souk_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

DO $$
BEGIN
    CREATE ROLE souk_relay LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

CREATE SCHEMA souk;
REVOKE ALL ON SCHEMA souk FROM PUBLIC;
GRANT USAGE ON SCHEMA souk TO souk_app, souk_relay;

-- The tenant of the transaction, or NULL, which equals nothing: a query that forgot its tenant sees
-- no row and writes none.
CREATE FUNCTION souk.current_tenant_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('souk.tenant_id', true), '')::uuid;

CREATE TABLE souk.tenants (
    tenant_id  uuid        NOT NULL,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT tenants_name_length CHECK (length(name) BETWEEN 1 AND 200)
);

CREATE TABLE souk.skus (
    tenant_id uuid NOT NULL,
    sku       text NOT NULL,
    title     text NOT NULL,
    CONSTRAINT skus_pkey PRIMARY KEY (tenant_id, sku),
    CONSTRAINT skus_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk.tenants,
    CONSTRAINT skus_sku_form CHECK (sku ~ '^[A-Za-z0-9._-]{1,64}$')
);

CREATE TABLE souk.prices (
    tenant_id         uuid   NOT NULL,
    sku               text   NOT NULL,
    currency          text   NOT NULL,
    unit_price_minor  bigint NOT NULL,
    CONSTRAINT prices_pkey PRIMARY KEY (tenant_id, sku, currency),
    CONSTRAINT prices_sku_fkey FOREIGN KEY (tenant_id, sku) REFERENCES souk.skus,
    CONSTRAINT prices_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT prices_unit_price_not_negative CHECK (unit_price_minor >= 0)
);

CREATE TABLE souk.stock_levels (
    tenant_id uuid   NOT NULL,
    sku       text   NOT NULL,
    available bigint NOT NULL,
    reserved  bigint NOT NULL DEFAULT 0,
    CONSTRAINT stock_levels_pkey PRIMARY KEY (tenant_id, sku),
    CONSTRAINT stock_levels_sku_fkey FOREIGN KEY (tenant_id, sku) REFERENCES souk.skus,
    -- The last line of defence against an oversell.
    CONSTRAINT stock_levels_available_not_negative CHECK (available >= 0),
    CONSTRAINT stock_levels_reserved_not_negative CHECK (reserved >= 0)
) WITH (fillfactor = 50); -- hot rows: leave room for updates on the same page

-- No foreign key from the tables of the hot path to tenants: each order would lock the tenant's row
-- in share mode. The policies below already bind every row to the transaction's tenant.
CREATE TABLE souk.orders (
    tenant_id          uuid        NOT NULL,
    order_id           uuid        NOT NULL,
    status             text        NOT NULL,
    currency           text        NOT NULL,
    total_minor        bigint      NOT NULL,
    customer_reference text,
    version            bigint      NOT NULL,
    placed_at          timestamptz NOT NULL,
    cancelled_at       timestamptz,
    CONSTRAINT orders_pkey PRIMARY KEY (tenant_id, order_id),
    CONSTRAINT orders_status_known CHECK (status IN ('placed', 'cancelled')),
    CONSTRAINT orders_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT orders_total_not_negative CHECK (total_minor >= 0),
    CONSTRAINT orders_version_positive CHECK (version >= 1),
    CONSTRAINT orders_cancelled_at_iff_cancelled
        CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);

CREATE TABLE souk.order_lines (
    tenant_id        uuid     NOT NULL,
    order_id         uuid     NOT NULL,
    line_number      smallint NOT NULL,
    sku              text     NOT NULL,
    quantity         integer  NOT NULL,
    unit_price_minor bigint   NOT NULL,
    line_total_minor bigint   NOT NULL,
    CONSTRAINT order_lines_pkey PRIMARY KEY (tenant_id, order_id, line_number),
    CONSTRAINT order_lines_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES souk.orders,
    CONSTRAINT order_lines_line_number_range CHECK (line_number BETWEEN 1 AND 64),
    CONSTRAINT order_lines_quantity_range CHECK (quantity BETWEEN 1 AND 1000000),
    CONSTRAINT order_lines_total_is_product CHECK (line_total_minor = unit_price_minor * quantity)
);

-- Written in the transaction of the effect it guards: a row that anyone else can see is finished.
CREATE TABLE souk.idempotency_keys (
    tenant_id        uuid        NOT NULL,
    principal        text        NOT NULL,
    key              text        NOT NULL,
    operation        text        NOT NULL,
    fingerprint      bytea       NOT NULL,
    resource_id      text,
    response_status  smallint,
    response_headers jsonb,
    response_body    bytea,
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, principal, key),
    CONSTRAINT idempotency_keys_key_length CHECK (octet_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_keys_response_whole CHECK (
        num_nulls(response_status, response_headers, response_body) IN (0, 3)
    )
);

CREATE TABLE souk.outbox_events (
    position         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    event_id         uuid        NOT NULL,
    tenant_id        uuid        NOT NULL,
    lane             smallint    NOT NULL,
    aggregate_id     uuid        NOT NULL,
    sequence         bigint      NOT NULL,
    event_type       text        NOT NULL,
    body             text        NOT NULL,
    created_at       timestamptz NOT NULL,
    published_at     timestamptz,
    attempts         integer     NOT NULL DEFAULT 0,
    last_error       text,
    CONSTRAINT outbox_events_pkey PRIMARY KEY (position),
    -- Two transitions of one aggregate cannot both be the n-th.
    CONSTRAINT outbox_events_sequence_key UNIQUE (tenant_id, aggregate_id, sequence),
    CONSTRAINT outbox_events_lane_range CHECK (lane BETWEEN 0 AND 63),
    CONSTRAINT outbox_events_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT outbox_events_body_length CHECK (octet_length(body) <= 65536)
);

-- All that a relay ever reads; a published row leaves it, so history costs a claim nothing.
CREATE INDEX outbox_events_unpublished_idx ON souk.outbox_events (lane, position)
    WHERE published_at IS NULL;

-- A lane is read by the holder of its lease only. The token rises with each change of hands; what is
-- written under an older one is refused.
CREATE TABLE souk.outbox_lanes (
    lane             smallint    NOT NULL,
    holder           text        NOT NULL DEFAULT '',
    fencing_token    bigint      NOT NULL DEFAULT 0,
    lease_expires_at timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT outbox_lanes_pkey PRIMARY KEY (lane),
    CONSTRAINT outbox_lanes_lane_range CHECK (lane BETWEEN 0 AND 63)
) WITH (fillfactor = 50);

INSERT INTO souk.outbox_lanes (lane) SELECT generate_series(0, 63);

CREATE TABLE souk.inbox_messages (
    tenant_id   uuid        NOT NULL,
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inbox_messages_pkey PRIMARY KEY (tenant_id, consumer, event_id)
);

CREATE TABLE souk.order_summaries (
    tenant_id          uuid        NOT NULL,
    order_id           uuid        NOT NULL,
    status             text        NOT NULL,
    currency           text        NOT NULL,
    total_minor        bigint      NOT NULL,
    line_count         integer     NOT NULL,
    unit_count         bigint      NOT NULL,
    customer_reference text,
    placed_at          timestamptz NOT NULL,
    cancelled_at       timestamptz,
    last_sequence      bigint      NOT NULL,
    events_applied     bigint      NOT NULL,
    CONSTRAINT order_summaries_pkey PRIMARY KEY (tenant_id, order_id)
);

-- Row level security on every table with a tenant_id, forced.
DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'tenants', 'skus', 'prices', 'stock_levels', 'orders', 'order_lines', 'idempotency_keys',
        'outbox_events', 'inbox_messages', 'order_summaries'
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

CREATE POLICY relay_reads_all ON souk.outbox_events FOR SELECT TO souk_relay USING (true);
CREATE POLICY relay_marks_all ON souk.outbox_events FOR UPDATE TO souk_relay
    USING (true) WITH CHECK (true);

GRANT SELECT ON souk.tenants, souk.skus, souk.prices TO souk_app;
GRANT SELECT, UPDATE ON souk.stock_levels TO souk_app;
GRANT SELECT, INSERT, UPDATE ON souk.orders, souk.idempotency_keys, souk.order_summaries TO souk_app;
GRANT SELECT, INSERT ON souk.order_lines, souk.outbox_events, souk.inbox_messages TO souk_app;
GRANT SELECT, UPDATE (published_at, attempts, last_error) ON souk.outbox_events TO souk_relay;
GRANT SELECT, UPDATE ON souk.outbox_lanes TO souk_relay;
