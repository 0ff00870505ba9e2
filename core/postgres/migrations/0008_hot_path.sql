-- What an order costs Postgres.

---------------------------------------------------------------------------------------------------
-- The statements of the functions' roles go by an index, always.
--
-- A connection keeps the plans of its statements, of the bodies of functions and of the checks of
-- foreign keys. One that is made while a table, or the partition of a new day, is still empty reads it
-- from end to end, and goes on to do so while the table grows, until the next ANALYZE: measured, an
-- order then costs Postgres three times the processor time. Every table that these roles read has an
-- index for it, so a sequential scan is never what is wanted of them.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['souk_app', 'souk_relay', 'souk_sweeper'] LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET enable_seqscan = off', v_role,
            current_database());
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'the roles souk_app, souk_relay and souk_sweeper belong to somebody else: have that one run ALTER ROLE … IN DATABASE % SET enable_seqscan = off for each', current_database();
END
$$;

---------------------------------------------------------------------------------------------------
-- The first use of a key, whose answer is known as soon as it is claimed: by far the most frequent
-- case, without what souk.claim_idempotency_key does for the others. True: the record is written and
-- finished. False: nothing was written, somebody has or had the key; the claim says what becomes of it.
---------------------------------------------------------------------------------------------------
CREATE FUNCTION souk.record_first_answer(
    p_principal text, p_key text, p_operation text, p_fingerprint bytea,
    p_now timestamptz, p_expires_at timestamptz,
    p_resource_id text, p_response_status smallint, p_response_headers jsonb, p_response_body bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_tenant uuid := souk.current_tenant_id();
    v_today date := (p_now AT TIME ZONE 'UTC')::date;
BEGIN
    -- The lock of the claim, which is still held when it follows.
    IF NOT pg_try_advisory_xact_lock(
        hashtextextended(v_tenant::text || ' ' || p_principal || ' ' || p_key, 1)) THEN
        RETURN false;
    END IF;
    PERFORM FROM souk.idempotency_keys k
    WHERE k.tenant_id = v_tenant AND k.principal = p_principal AND k.key = p_key
      AND k.created_on BETWEEN v_today - 1 AND v_today + 1 AND k.expires_at > p_now;
    IF FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO souk.idempotency_keys (tenant_id, principal, key, created_on, operation, fingerprint,
        recovery_point, resource_id, response_status, response_headers, response_body, created_at,
        finished_at, expires_at)
    VALUES (v_tenant, p_principal, p_key, v_today, p_operation, p_fingerprint, 'finished',
        p_resource_id, p_response_status, p_response_headers, p_response_body, p_now, p_now,
        p_expires_at)
    ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO NOTHING;
    RETURN FOUND;
END
$$;

-- As before, but that the first use of a key takes the short way, and that the record of a key which
-- the order has just used is not returned: nobody reads it, and it has the whole answer in it.
CREATE OR REPLACE FUNCTION souk.place_order(
    p_tenant uuid, p_principal text, p_key text, p_operation text, p_fingerprint bytea,
    p_now timestamptz, p_key_expires_at timestamptz, p_catalog_revision bigint,
    p_order_id uuid, p_currency text, p_subtotal_minor bigint, p_discount_minor bigint,
    p_shipping_minor bigint, p_tax_minor bigint, p_tax_included boolean, p_total_minor bigint,
    p_customer_reference text, p_shipping_country text, p_breakdown jsonb,
    p_reservation_expires_at timestamptz, p_request_id uuid,
    p_line_numbers smallint[], p_line_skus text[], p_line_quantities integer[],
    p_line_unit_prices bigint[], p_line_totals bigint[], p_line_discounts bigint[],
    p_line_taxes bigint[], p_line_tax_rates integer[],
    p_skus text[], p_units bigint[],
    p_event_id uuid, p_lane smallint, p_event_type text, p_event_body text,
    p_response_status smallint, p_response_headers jsonb, p_response_body bytea,
    OUT verdict text, OUT key_record souk.idempotency_keys, OUT wal_position text,
    OUT transaction_id text
) LANGUAGE plpgsql AS $$
DECLARE
    v_resource_id text := 'ord_' || replace(p_order_id::text, '-', '');
    v_claim record;
    v_reserved record;
BEGIN
    PERFORM souk.enter_to_write(p_tenant);
    IF NOT souk.record_first_answer(p_principal, p_key, p_operation, p_fingerprint, p_now,
        p_key_expires_at, v_resource_id, p_response_status, p_response_headers, p_response_body) THEN
        SELECT c.verdict, c.key_record INTO v_claim
        FROM souk.claim_idempotency_key(p_principal, p_key, p_operation, p_fingerprint, p_now,
            p_key_expires_at, NULL, v_resource_id, p_response_status, p_response_headers,
            p_response_body) c;
        IF v_claim.verdict NOT IN ('fresh', 'takeover') THEN
            verdict := v_claim.verdict;
            key_record := v_claim.key_record;
            -- The effect was committed before: whatever has been logged by now is enough to see it.
            IF verdict = 'finished' THEN
                wal_position := pg_current_wal_insert_lsn()::text;
                transaction_id := '0';
            END IF;
            RETURN;
        END IF;
    END IF;
    IF p_catalog_revision <> coalesce(
        (SELECT r.revision FROM souk.catalog_revisions r WHERE r.tenant_id = p_tenant), 0) THEN
        RAISE EXCEPTION 'prices have changed' USING ERRCODE = 'SK010';
    END IF;
    INSERT INTO souk.outbox_events
        (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at)
    VALUES (p_event_id, p_tenant, p_lane, p_order_id, 1, p_event_type, p_event_body, p_now);
    SELECT r.allocations, r.short INTO v_reserved
    FROM souk.reserve_stock(p_tenant, p_skus, p_units) r;
    IF v_reserved.short <> '{}' THEN
        RAISE EXCEPTION 'insufficient stock'
            USING ERRCODE = 'SK011', DETAIL = to_jsonb(v_reserved.short)::text;
    END IF;
    INSERT INTO souk.orders (tenant_id, order_id, status, currency, subtotal_minor, discount_minor,
        shipping_minor, tax_minor, tax_included, total_minor, customer_reference, shipping_country,
        breakdown, allocations, reservation_expires_at, version, placed_at, placed_event_id,
        placed_by, placed_request_id)
    VALUES (p_tenant, p_order_id, 'placed', p_currency, p_subtotal_minor, p_discount_minor,
        p_shipping_minor, p_tax_minor, p_tax_included, p_total_minor, p_customer_reference,
        p_shipping_country, p_breakdown, v_reserved.allocations, p_reservation_expires_at, 1, p_now,
        p_event_id, p_principal, p_request_id);
    INSERT INTO souk.order_lines (tenant_id, order_id, line_number, sku, quantity, unit_price_minor,
        line_total_minor, discount_minor, tax_minor, tax_rate_ppm)
    SELECT p_tenant, p_order_id, l.*
    FROM unnest(p_line_numbers, p_line_skus, p_line_quantities, p_line_unit_prices, p_line_totals,
        p_line_discounts, p_line_taxes, p_line_tax_rates) AS l;
    verdict := 'placed';
    wal_position := pg_current_wal_insert_lsn()::text;
    transaction_id := pg_current_xact_id()::text;
END
$$;
