-- Orders with states, payment status, totals and reservations that expire; catalog, inventory in
-- buckets and pricing rules; idempotency records with leases, recovery points and daily partitions;
-- tenants that can be moved to another shard.

-- Reads what is due to be released, of every tenant, and nothing else.
DO $$
BEGIN
    CREATE ROLE souk_sweeper LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
GRANT USAGE ON SCHEMA souk TO souk_sweeper;

-- The rows of all tenants are brought into the new form below, by the owner.
ALTER TABLE souk.tenants NO FORCE ROW LEVEL SECURITY;
ALTER TABLE souk.orders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE souk.order_lines NO FORCE ROW LEVEL SECURITY;
ALTER TABLE souk.idempotency_keys NO FORCE ROW LEVEL SECURITY;

---------------------------------------------------------------------------------------------------
-- Tenants: where they are served from.
---------------------------------------------------------------------------------------------------

ALTER TABLE souk.tenants
    ADD COLUMN placement text NOT NULL DEFAULT 'active',
    -- active: served from here. held: read only, a move is about to end. incoming: a move is copying
    -- to here. moved: served from another shard.
    ADD CONSTRAINT tenants_placement_known
        CHECK (placement IN ('active', 'held', 'incoming', 'moved'));

-- The advisory lock of a tenant: writers share it, whoever changes the tenant's placement has it
-- alone. It lies in memory: a lock on the tenant's row would be a write for each order.
CREATE FUNCTION souk.tenant_lock(p_tenant uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended('tenant:' || p_tenant::text, 0);

-- Enters a tenant to write: from here to the end of the transaction its rows, and no others, can be
-- seen and written, and its placement stays. SQLSTATE SK001: writes are held for a moment. SK002: the
-- tenant is not served from here.
CREATE FUNCTION souk.enter_to_write(p_tenant uuid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_placement text;
BEGIN
    PERFORM set_config('souk.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', '2500', true),
            pg_advisory_xact_lock_shared(souk.tenant_lock(p_tenant));
    SELECT t.placement INTO v_placement FROM souk.tenants t WHERE t.tenant_id = p_tenant;
    IF v_placement = 'active' THEN
        RETURN;
    ELSIF v_placement = 'held' THEN
        RAISE EXCEPTION 'writes of this tenant are held' USING ERRCODE = 'SK001';
    END IF;
    RAISE EXCEPTION 'this tenant is not served from here' USING ERRCODE = 'SK002';
END
$$;

-- Enters a tenant to read. SK002 as above.
CREATE FUNCTION souk.enter_to_read(p_tenant uuid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_placement text;
BEGIN
    PERFORM set_config('souk.tenant_id', p_tenant::text, true);
    SELECT t.placement INTO v_placement FROM souk.tenants t WHERE t.tenant_id = p_tenant;
    IF v_placement IN ('active', 'held') THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'this tenant is not served from here' USING ERRCODE = 'SK002';
END
$$;

---------------------------------------------------------------------------------------------------
-- Catalog.
---------------------------------------------------------------------------------------------------

CREATE TABLE souk.products (
    tenant_id    uuid        NOT NULL,
    product_code text        NOT NULL,
    title        text        NOT NULL,
    description  text        NOT NULL DEFAULT '',
    status       text        NOT NULL DEFAULT 'active',
    attributes   jsonb       NOT NULL DEFAULT '{}',
    version      bigint      NOT NULL DEFAULT 1,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT products_pkey PRIMARY KEY (tenant_id, product_code),
    CONSTRAINT products_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk.tenants,
    CONSTRAINT products_code_form CHECK (product_code ~ '^[A-Za-z0-9._-]{1,64}$'),
    CONSTRAINT products_status_known CHECK (status IN ('active', 'archived'))
);

ALTER TABLE souk.skus
    ADD COLUMN product_code text,
    ADD COLUMN status       text        NOT NULL DEFAULT 'active',
    ADD COLUMN tax_category text        NOT NULL DEFAULT 'standard',
    ADD COLUMN attributes   jsonb       NOT NULL DEFAULT '{}',
    ADD COLUMN version      bigint      NOT NULL DEFAULT 1,
    ADD COLUMN updated_at   timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT skus_product_fkey FOREIGN KEY (tenant_id, product_code) REFERENCES souk.products,
    ADD CONSTRAINT skus_status_known CHECK (status IN ('active', 'archived')),
    ADD CONSTRAINT skus_tax_category_form CHECK (tax_category ~ '^[a-z0-9_]{1,32}$');
CREATE INDEX skus_product_idx ON souk.skus (tenant_id, product_code) WHERE product_code IS NOT NULL;

-- A price holds from valid_from until, but not including, valid_until; windows of one sku and
-- currency do not overlap, which the domain sees to when it replaces all of them at once.
ALTER TABLE souk.prices
    ADD COLUMN valid_from  timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z',
    ADD COLUMN valid_until timestamptz,
    DROP CONSTRAINT prices_pkey,
    ADD CONSTRAINT prices_pkey PRIMARY KEY (tenant_id, sku, currency, valid_from),
    ADD CONSTRAINT prices_window_not_empty CHECK (valid_until > valid_from);

-- Discounts, taxes and shipping of a tenant: one document, checked by souk-domain.
CREATE TABLE souk.pricing_rules (
    tenant_id  uuid        NOT NULL,
    rules      jsonb       NOT NULL,
    version    bigint      NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pricing_rules_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT pricing_rules_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES souk.tenants
);

-- Raised by each change of skus, prices or pricing rules of the tenant. What was priced from an older
-- revision is priced anew before an order is taken: prices can be cached and are never stale.
CREATE TABLE souk.catalog_revisions (
    tenant_id uuid   NOT NULL,
    revision  bigint NOT NULL,
    CONSTRAINT catalog_revisions_pkey PRIMARY KEY (tenant_id)
);
INSERT INTO souk.catalog_revisions (tenant_id, revision) SELECT tenant_id, 1 FROM souk.tenants;

-- Raises the revision of the transaction's tenant.
CREATE FUNCTION souk.raise_catalog_revision() RETURNS bigint
    LANGUAGE sql AS $$
    INSERT INTO souk.catalog_revisions AS r (tenant_id, revision)
    VALUES (souk.current_tenant_id(), 1)
    ON CONFLICT ON CONSTRAINT catalog_revisions_pkey DO UPDATE SET revision = r.revision + 1
    RETURNING revision
$$;

-- All that is needed to price skus: one round trip, and (STABLE) one snapshot. `skus` is [{sku, tax_category, prices: [{amount_minor, valid_from_us, valid_until_us}]}]
-- of active skus that have a price in the currency now or later; times are Unix microseconds.
CREATE FUNCTION souk.load_pricing(
    p_tenant uuid, p_currency text, p_skus text[], p_now timestamptz,
    OUT revision bigint, OUT rules jsonb, OUT skus jsonb
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM souk.enter_to_read(p_tenant);
    SELECT r.revision INTO revision FROM souk.catalog_revisions r WHERE r.tenant_id = p_tenant;
    revision := coalesce(revision, 0);
    SELECT p.rules INTO rules FROM souk.pricing_rules p WHERE p.tenant_id = p_tenant;
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'sku', s.sku, 'tax_category', s.tax_category, 'prices', w.windows)), '[]')
    INTO skus
    FROM souk.skus s
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
                   'amount_minor', p.unit_price_minor,
                   'valid_from_us', (extract(epoch FROM p.valid_from) * 1000000)::bigint,
                   'valid_until_us', (extract(epoch FROM p.valid_until) * 1000000)::bigint
               ) ORDER BY p.valid_from) AS windows
        FROM souk.prices p
        WHERE p.tenant_id = p_tenant AND p.sku = s.sku AND p.currency = p_currency
          AND (p.valid_until IS NULL OR p.valid_until > p_now)
    ) w
    WHERE s.tenant_id = p_tenant AND s.sku = ANY (p_skus) AND s.status = 'active'
      AND w.windows IS NOT NULL;
END
$$;

---------------------------------------------------------------------------------------------------
-- Inventory: the units of a sku at a location, in buckets. An order takes a bucket that nobody holds,
-- so that a sale of one sku is not the queue of one row.
---------------------------------------------------------------------------------------------------

ALTER TABLE souk.stock_levels
    ADD COLUMN location text     NOT NULL DEFAULT 'main',
    ADD COLUMN bucket   smallint NOT NULL DEFAULT 0,
    ADD COLUMN sold     bigint   NOT NULL DEFAULT 0,
    DROP CONSTRAINT stock_levels_pkey,
    ADD CONSTRAINT stock_levels_pkey PRIMARY KEY (tenant_id, sku, location, bucket),
    ADD CONSTRAINT stock_levels_location_form CHECK (location ~ '^[a-z0-9_-]{1,32}$'),
    ADD CONSTRAINT stock_levels_bucket_range CHECK (bucket BETWEEN 0 AND 63),
    ADD CONSTRAINT stock_levels_sold_not_negative CHECK (sold >= 0);

-- Moves units from available to reserved, all skus or none: where `short` is not empty, the caller
-- must roll back. Skus are given once each, in order; they are locked in that order, so that no two
-- orders wait for each other. Within a sku the first bucket that is free and has enough is taken
-- without waiting; where none is free, one is waited for; only where none has enough are all its
-- buckets locked, in order, and emptied one after the other. `allocations` is [{sku, location, bucket, units}].
CREATE FUNCTION souk.reserve_stock(
    p_tenant uuid, p_skus text[], p_units bigint[],
    OUT allocations jsonb, OUT short text[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_spin integer := floor(random() * 64)::integer;
    v_need bigint;
    v_take bigint;
    v_left bigint;
    v_location text;
    v_bucket smallint;
    v_found boolean;
    v_cell record;
BEGIN
    allocations := '[]';
    short := '{}';
    FOR i IN 1 .. cardinality(p_skus) LOOP
        v_need := p_units[i];
        SELECT c.location, c.bucket INTO v_location, v_bucket
        FROM souk.stock_levels c
        WHERE c.tenant_id = p_tenant AND c.sku = p_skus[i] AND c.available >= v_need
        ORDER BY (c.bucket + v_spin) % 64, c.location
        LIMIT 1 FOR UPDATE SKIP LOCKED;
        v_found := FOUND;
        IF NOT v_found THEN
            -- None is free: waits for one of them, not for all. One that has too little when its turn
            -- comes is let go of, by undoing its lock: below, all are locked in order, and two orders
            -- that keep what they waited for in vain would wait for each other.
            BEGIN
                SELECT c.location, c.bucket INTO v_location, v_bucket
                FROM souk.stock_levels c
                WHERE c.tenant_id = p_tenant AND c.sku = p_skus[i] AND c.available >= v_need
                ORDER BY (c.bucket + v_spin) % 64, c.location
                LIMIT 1 FOR UPDATE;
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'no bucket has enough' USING ERRCODE = 'SK013';
                END IF;
                v_found := true;
            EXCEPTION WHEN SQLSTATE 'SK013' THEN
                NULL;
            END;
        END IF;
        IF v_found THEN
            UPDATE souk.stock_levels
            SET available = available - v_need, reserved = reserved + v_need
            WHERE tenant_id = p_tenant AND sku = p_skus[i]
              AND location = v_location AND bucket = v_bucket;
            allocations := allocations || jsonb_build_object(
                'sku', p_skus[i], 'location', v_location, 'bucket', v_bucket, 'units', v_need);
            CONTINUE;
        END IF;
        -- What is sold out is refused without a lock.
        SELECT coalesce(sum(c.available), 0) INTO v_left
        FROM souk.stock_levels c WHERE c.tenant_id = p_tenant AND c.sku = p_skus[i];
        IF v_left < v_need THEN
            short := short || p_skus[i];
            CONTINUE;
        END IF;
        v_left := v_need;
        -- Twice: while this waited for the first bucket, others may have been added.
        FOR v_pass IN 1 .. 2 LOOP
            FOR v_cell IN
                SELECT c.location, c.bucket, c.available FROM souk.stock_levels c
                WHERE c.tenant_id = p_tenant AND c.sku = p_skus[i]
                ORDER BY c.location COLLATE "C", c.bucket FOR UPDATE
            LOOP
                v_take := least(v_left, v_cell.available);
                IF v_take > 0 THEN
                    UPDATE souk.stock_levels
                    SET available = available - v_take, reserved = reserved + v_take
                    WHERE tenant_id = p_tenant AND sku = p_skus[i]
                      AND location = v_cell.location AND bucket = v_cell.bucket;
                    allocations := allocations || jsonb_build_object('sku', p_skus[i],
                        'location', v_cell.location, 'bucket', v_cell.bucket, 'units', v_take);
                    v_left := v_left - v_take;
                END IF;
                EXIT WHEN v_left = 0;
            END LOOP;
            EXIT WHEN v_left = 0;
        END LOOP;
        IF v_left > 0 THEN
            short := short || p_skus[i];
        END IF;
    END LOOP;
END
$$;

-- Ends reservations: the units of `p_allocations` go from reserved back to available, or to sold.
CREATE FUNCTION souk.settle_stock(p_tenant uuid, p_allocations jsonb, p_sold boolean) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_cells bigint;
    v_settled bigint;
BEGIN
    SELECT count(DISTINCT (a.sku, a.location, a.bucket)) INTO v_cells
    FROM jsonb_to_recordset(p_allocations)
        AS a (sku text, location text, bucket smallint, units bigint);
    WITH wanted AS (
        SELECT a.sku, a.location, a.bucket, sum(a.units)::bigint AS units
        FROM jsonb_to_recordset(p_allocations)
            AS a (sku text, location text, bucket smallint, units bigint)
        GROUP BY a.sku, a.location, a.bucket
    ), locked AS MATERIALIZED (
        SELECT s.sku, s.location, s.bucket, w.units
        FROM souk.stock_levels s JOIN wanted w USING (sku, location, bucket)
        WHERE s.tenant_id = p_tenant
        ORDER BY s.sku COLLATE "C", s.location COLLATE "C", s.bucket FOR UPDATE OF s
    )
    UPDATE souk.stock_levels s
    SET reserved = s.reserved - l.units,
        available = s.available + CASE WHEN p_sold THEN 0 ELSE l.units END,
        sold = s.sold + CASE WHEN p_sold THEN l.units ELSE 0 END
    FROM locked l
    WHERE s.tenant_id = p_tenant AND s.sku = l.sku AND s.location = l.location
      AND s.bucket = l.bucket;
    GET DIAGNOSTICS v_settled = ROW_COUNT;
    IF v_settled <> v_cells THEN
        RAISE EXCEPTION 'a reservation names stock that is not on record'
            USING ERRCODE = 'data_corrupted';
    END IF;
END
$$;

---------------------------------------------------------------------------------------------------
-- Orders.
---------------------------------------------------------------------------------------------------

ALTER TABLE souk.orders
    ADD COLUMN payment_status         text        NOT NULL DEFAULT 'unpaid',
    ADD COLUMN subtotal_minor         bigint,
    ADD COLUMN discount_minor         bigint      NOT NULL DEFAULT 0,
    ADD COLUMN shipping_minor         bigint      NOT NULL DEFAULT 0,
    ADD COLUMN tax_minor              bigint      NOT NULL DEFAULT 0,
    ADD COLUMN tax_included           boolean     NOT NULL DEFAULT true,
    ADD COLUMN shipping_country       text,
    -- Which discounts, taxes and shipping make up the numbers: souk-domain's Breakdown.
    ADD COLUMN breakdown              jsonb       NOT NULL DEFAULT '{}',
    -- What is still reserved: [{sku, location, bucket, units}].
    ADD COLUMN allocations            jsonb       NOT NULL DEFAULT '[]',
    ADD COLUMN reservation_expires_at timestamptz,
    ADD COLUMN confirmed_at           timestamptz,
    ADD COLUMN fulfilled_at           timestamptz,
    ADD COLUMN completed_at           timestamptz,
    ADD COLUMN cancel_reason          text,
    -- The first entry of the timeline; the others are in order_transitions.
    ADD COLUMN placed_event_id        uuid,
    ADD COLUMN placed_by              text        NOT NULL DEFAULT '',
    ADD COLUMN placed_request_id      uuid,
    DROP CONSTRAINT orders_status_known,
    ADD CONSTRAINT orders_status_known
        CHECK (status IN ('placed', 'confirmed', 'fulfilled', 'completed', 'cancelled')),
    ADD CONSTRAINT orders_payment_status_known CHECK (payment_status IN
        ('unpaid', 'authorized', 'paid', 'partially_refunded', 'refunded', 'voided')),
    ADD CONSTRAINT orders_parts_not_negative
        CHECK (subtotal_minor >= 0 AND discount_minor >= 0 AND shipping_minor >= 0 AND tax_minor >= 0),
    -- The parts sum to the total, in the database as well.
    ADD CONSTRAINT orders_total_is_sum_of_parts CHECK (total_minor = subtotal_minor - discount_minor
        + shipping_minor + CASE WHEN tax_included THEN 0 ELSE tax_minor END),
    ADD CONSTRAINT orders_country_form CHECK (shipping_country ~ '^[A-Z]{2}$'),
    ADD CONSTRAINT orders_reservation_iff_placed
        CHECK (reservation_expires_at IS NULL OR status = 'placed');
UPDATE souk.orders SET subtotal_minor = total_minor;
-- What earlier orders hold lies in the one bucket there was.
UPDATE souk.orders o SET allocations = (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'sku', l.sku, 'location', 'main', 'bucket', 0, 'units', l.units)), '[]')
    FROM (SELECT sku, sum(quantity) AS units FROM souk.order_lines ol
          WHERE ol.tenant_id = o.tenant_id AND ol.order_id = o.order_id GROUP BY sku) l
) WHERE o.status = 'placed';
ALTER TABLE souk.orders ALTER COLUMN subtotal_minor SET NOT NULL;

-- Order ids are UUIDs of version 7: in the order of their ids, orders are in the order of time, and
-- a list is a range of an index, wherever it begins.
CREATE INDEX orders_status_idx ON souk.orders (tenant_id, status, order_id);
CREATE INDEX orders_customer_idx ON souk.orders (tenant_id, customer_reference, order_id)
    WHERE customer_reference IS NOT NULL;
CREATE INDEX orders_reservation_idx ON souk.orders (reservation_expires_at)
    WHERE reservation_expires_at IS NOT NULL;

ALTER TABLE souk.order_lines
    ADD COLUMN discount_minor     bigint  NOT NULL DEFAULT 0,
    ADD COLUMN tax_minor          bigint  NOT NULL DEFAULT 0,
    ADD COLUMN tax_rate_ppm       integer NOT NULL DEFAULT 0,
    ADD COLUMN fulfilled_quantity integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_lines_discount_range CHECK (discount_minor BETWEEN 0 AND line_total_minor),
    ADD CONSTRAINT order_lines_tax_not_negative CHECK (tax_minor >= 0),
    ADD CONSTRAINT order_lines_tax_rate_range CHECK (tax_rate_ppm BETWEEN 0 AND 1000000),
    ADD CONSTRAINT order_lines_fulfilled_range CHECK (fulfilled_quantity BETWEEN 0 AND quantity);

-- Every transition of an order after its placing, for its timeline. The outbox forgets, this does not.
CREATE TABLE souk.order_transitions (
    tenant_id   uuid        NOT NULL,
    order_id    uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    principal   text        NOT NULL,
    request_id  uuid        NOT NULL,
    data        jsonb       NOT NULL,
    CONSTRAINT order_transitions_pkey PRIMARY KEY (tenant_id, order_id, sequence),
    CONSTRAINT order_transitions_sequence_not_first CHECK (sequence >= 2),
    CONSTRAINT order_transitions_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES souk.orders
);

ALTER TABLE souk.order_summaries
    ADD COLUMN payment_status text NOT NULL DEFAULT 'unpaid';

---------------------------------------------------------------------------------------------------
-- Idempotency records: leased, fenced, resumable, and dropped by the day.
---------------------------------------------------------------------------------------------------

ALTER TABLE souk.idempotency_keys RENAME TO idempotency_keys_0001;
ALTER TABLE souk.idempotency_keys_0001 RENAME CONSTRAINT idempotency_keys_pkey TO idempotency_keys_0001_pkey;

CREATE TABLE souk.idempotency_keys (
    tenant_id        uuid        NOT NULL,
    principal        text        NOT NULL,
    key              text        NOT NULL,
    -- The UTC day of the first use, by which records are dropped.
    created_on       date        NOT NULL,
    operation        text        NOT NULL,
    fingerprint      bytea       NOT NULL,
    -- Who works on it: raised by each takeover. What is written under an older one is refused.
    fencing_token    bigint      NOT NULL DEFAULT 1,
    -- Until when nobody else takes over; by the database's clock.
    lease_expires_at timestamptz,
    -- How far the operation has come, and what it needs to go on from there.
    recovery_point   text        NOT NULL DEFAULT 'started',
    state            jsonb,
    resource_id      text,
    response_status  smallint,
    response_headers jsonb,
    response_body    bytea,
    created_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    expires_at       timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, principal, key, created_on),
    CONSTRAINT idempotency_keys_key_length CHECK (octet_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_keys_finished_iff_answered CHECK (
        num_nulls(finished_at, response_status, response_headers, response_body) IN (0, 4)
    )
) PARTITION BY RANGE (created_on);
-- Catches what comes when nobody has made tomorrow's partition.
CREATE TABLE souk.idempotency_keys_default PARTITION OF souk.idempotency_keys DEFAULT;

INSERT INTO souk.idempotency_keys (tenant_id, principal, key, created_on, operation, fingerprint,
    recovery_point, resource_id, response_status, response_headers, response_body, created_at,
    finished_at, expires_at)
SELECT tenant_id, principal, key, (created_at AT TIME ZONE 'UTC')::date, operation, fingerprint,
    'finished', resource_id, response_status, response_headers, response_body, created_at,
    created_at, expires_at
FROM souk.idempotency_keys_0001 WHERE response_status IS NOT NULL;
DROP TABLE souk.idempotency_keys_0001;

-- Makes the partitions of today and of `p_days_ahead` more days, and drops those in which every
-- record has expired, `p_days_kept` whole days after their own. Runs as the owner; safe to run at any
-- time, by anyone who may, as often as one likes. Returns how many were made and dropped.
CREATE FUNCTION souk.maintain_idempotency_keys(
    p_now timestamptz, p_days_ahead integer, p_days_kept integer,
    OUT made integer, OUT dropped integer
) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- Locks the parent for a moment: better to come back later than to make all requests wait.
    SET lock_timeout = '1s' AS $$
DECLARE
    v_today date := (p_now AT TIME ZONE 'UTC')::date;
    v_day date;
    v_name text;
    v_partition record;
    v_late boolean;
BEGIN
    made := 0;
    dropped := 0;
    -- One at a time.
    PERFORM pg_advisory_xact_lock(hashtextextended('souk.maintain_idempotency_keys', 0));
    FOR i IN 0 .. greatest(p_days_ahead, 1) LOOP
        v_day := v_today + i;
        v_name := 'idempotency_keys_' || to_char(v_day, 'YYYYMMDD');
        IF to_regclass('souk.' || v_name) IS NULL THEN
            EXECUTE format('CREATE TABLE souk.%I (LIKE souk.idempotency_keys INCLUDING DEFAULTS '
                           'INCLUDING CONSTRAINTS)', v_name);
            EXECUTE format('ALTER TABLE souk.%I ADD CHECK (created_on = %L)', v_name, v_day);
            -- What has come meanwhile goes where it belongs.
            SELECT EXISTS (SELECT FROM souk.idempotency_keys_default WHERE created_on = v_day)
            INTO v_late;
            IF v_late THEN
                ALTER TABLE souk.idempotency_keys DETACH PARTITION souk.idempotency_keys_default;
                EXECUTE format('WITH moved AS (DELETE FROM souk.idempotency_keys_default '
                               'WHERE created_on = %L RETURNING *) '
                               'INSERT INTO souk.%I SELECT * FROM moved', v_day, v_name);
            END IF;
            EXECUTE format('ALTER TABLE souk.idempotency_keys ATTACH PARTITION souk.%I '
                           'FOR VALUES FROM (%L) TO (%L)', v_name, v_day, v_day + 1);
            IF v_late THEN
                ALTER TABLE souk.idempotency_keys
                    ATTACH PARTITION souk.idempotency_keys_default DEFAULT;
            END IF;
            made := made + 1;
        END IF;
    END LOOP;
    FOR v_partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'souk.idempotency_keys'::regclass
          AND c.relname ~ '^idempotency_keys_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < v_today - greatest(p_days_kept, 1)
    LOOP
        EXECUTE format('DROP TABLE souk.%I', v_partition.relname);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM souk.idempotency_keys_default
    WHERE created_on < v_today - greatest(p_days_kept, 1);
END
$$;
REVOKE ALL ON FUNCTION souk.maintain_idempotency_keys(timestamptz, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION souk.maintain_idempotency_keys(timestamptz, integer, integer) TO souk_sweeper;

-- Claims a key for the transaction's tenant, or tells who has it.
--   fresh      claimed now, under token 1
--   takeover   an earlier try has let its lease expire: goes on from its recovery point, next token
--   in_flight  an earlier try is still running
--   reused     the key belongs to another request
--   finished   the answer is there
-- Where an answer is given with the claim, a fresh claim or takeover is finished at once: for effects
-- that are written in this very transaction.
CREATE FUNCTION souk.claim_idempotency_key(
    p_principal text, p_key text, p_operation text, p_fingerprint bytea,
    p_now timestamptz, p_expires_at timestamptz, p_lease interval,
    p_resource_id text, p_response_status smallint, p_response_headers jsonb, p_response_body bytea,
    OUT verdict text, OUT key_record souk.idempotency_keys
) LANGUAGE plpgsql AS $$
DECLARE
    v_tenant uuid := souk.current_tenant_id();
    v_today date := (p_now AT TIME ZONE 'UTC')::date;
    v_lock bigint := hashtextextended(v_tenant::text || ' ' || p_principal || ' ' || p_key, 1);
    v_done boolean := p_response_status IS NOT NULL;
BEGIN
    -- Uniqueness over partitions is this lock's: the primary key holds within a day only.
    IF NOT pg_try_advisory_xact_lock(v_lock) THEN
        BEGIN
            PERFORM pg_advisory_xact_lock(v_lock);
        EXCEPTION WHEN lock_not_available THEN
            verdict := 'in_flight';
            RETURN;
        END;
    END IF;
    -- Tomorrow too: another function's clock may be a little ahead of this one's.
    SELECT k.* INTO key_record FROM souk.idempotency_keys k
    WHERE k.tenant_id = v_tenant AND k.principal = p_principal AND k.key = p_key
      AND k.created_on BETWEEN v_today - 1 AND v_today + 1 AND k.expires_at > p_now
    ORDER BY k.created_on DESC LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO souk.idempotency_keys AS k (tenant_id, principal, key, created_on, operation,
            fingerprint, lease_expires_at, recovery_point, resource_id, response_status,
            response_headers, response_body, created_at, finished_at, expires_at)
        VALUES (v_tenant, p_principal, p_key, v_today, p_operation, p_fingerprint,
            CASE WHEN NOT v_done THEN clock_timestamp() + p_lease END,
            CASE WHEN v_done THEN 'finished' ELSE 'started' END,
            p_resource_id, p_response_status, p_response_headers, p_response_body, p_now,
            CASE WHEN v_done THEN p_now END, p_expires_at)
        -- A record of the same day that has expired: the time to live is less than a day.
        ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
        SET operation = excluded.operation, fingerprint = excluded.fingerprint,
            fencing_token = k.fencing_token + 1, lease_expires_at = excluded.lease_expires_at,
            recovery_point = excluded.recovery_point, state = NULL,
            resource_id = excluded.resource_id, response_status = excluded.response_status,
            response_headers = excluded.response_headers, response_body = excluded.response_body,
            created_at = excluded.created_at, finished_at = excluded.finished_at,
            expires_at = excluded.expires_at
        RETURNING k.* INTO key_record;
        verdict := 'fresh';
    ELSIF key_record.fingerprint <> p_fingerprint THEN
        verdict := 'reused';
    ELSIF key_record.finished_at IS NOT NULL THEN
        verdict := 'finished';
    ELSIF key_record.lease_expires_at > clock_timestamp() THEN
        verdict := 'in_flight';
    ELSE
        UPDATE souk.idempotency_keys k
        SET fencing_token = k.fencing_token + 1,
            lease_expires_at = CASE WHEN NOT v_done THEN clock_timestamp() + p_lease END,
            recovery_point = CASE WHEN v_done THEN 'finished' ELSE k.recovery_point END,
            resource_id = coalesce(p_resource_id, k.resource_id),
            response_status = p_response_status, response_headers = p_response_headers,
            response_body = p_response_body, finished_at = CASE WHEN v_done THEN p_now END
        WHERE k.tenant_id = v_tenant AND k.principal = p_principal AND k.key = p_key
          AND k.created_on = key_record.created_on
        RETURNING k.* INTO key_record;
        verdict := 'takeover';
    END IF;
END
$$;

---------------------------------------------------------------------------------------------------
-- Placing an order: everything that souk-domain has decided is written by one call, in one
-- transaction: idempotency record with the answer, order, lines, outbox event, reservation. What the
-- database alone can know, whether the key is new, the prices are current and the stock is there, is
-- checked here.
--   placed     done; the position in the write-ahead log and the transaction tell readers of replicas
--              how far theirs must be
--   finished, reused, in_flight   of the key, as above; nothing was written
-- SQLSTATE SK010: prices have changed since p_catalog_revision (null: do not look). SK011: too few
-- units of the skus that the error's detail names, a JSON array.
---------------------------------------------------------------------------------------------------
CREATE FUNCTION souk.place_order(
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
    v_claim record;
    v_reserved record;
BEGIN
    PERFORM souk.enter_to_write(p_tenant);
    SELECT c.verdict, c.key_record INTO v_claim
    FROM souk.claim_idempotency_key(p_principal, p_key, p_operation, p_fingerprint, p_now,
        p_key_expires_at, NULL, 'ord_' || replace(p_order_id::text, '-', ''), p_response_status,
        p_response_headers, p_response_body) c;
    verdict := v_claim.verdict;
    key_record := v_claim.key_record;
    IF verdict NOT IN ('fresh', 'takeover') THEN
        -- The effect was committed before: whatever has been logged by now is enough to see it.
        IF verdict = 'finished' THEN
            wal_position := pg_current_wal_insert_lsn()::text;
            transaction_id := '0';
        END IF;
        RETURN;
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

---------------------------------------------------------------------------------------------------
-- Row level security and rights of what is new.
---------------------------------------------------------------------------------------------------

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'products', 'pricing_rules', 'catalog_revisions', 'order_transitions', 'idempotency_keys'
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

-- Partitions have no policies of their own: nobody but the owner may name them, and who names the
-- parent is bound by the parent's.
ALTER TABLE souk.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE souk.orders FORCE ROW LEVEL SECURITY;
ALTER TABLE souk.order_lines FORCE ROW LEVEL SECURITY;

CREATE POLICY sweeper_reads_due ON souk.orders FOR SELECT TO souk_sweeper
    USING (reservation_expires_at IS NOT NULL);
GRANT SELECT (tenant_id, order_id, reservation_expires_at) ON souk.orders TO souk_sweeper;

GRANT INSERT, UPDATE ON souk.skus TO souk_app;
GRANT INSERT, DELETE ON souk.prices TO souk_app;
GRANT INSERT ON souk.stock_levels TO souk_app;
GRANT SELECT, INSERT, UPDATE ON souk.products, souk.pricing_rules, souk.catalog_revisions,
    souk.idempotency_keys TO souk_app;
GRANT UPDATE ON souk.order_lines TO souk_app;
GRANT SELECT, INSERT ON souk.order_transitions TO souk_app;
