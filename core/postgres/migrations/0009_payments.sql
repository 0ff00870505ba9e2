-- Payments: intents, attempts, what is wanted of the PSP, refunds, disputes, what the PSP has told, and
-- the ledger.
--
-- The order's row is the lock of its payments: whoever changes a payment has locked the order's row
-- before.

CREATE TABLE souk.payment_intents (
    tenant_id                uuid        NOT NULL,
    payment_intent_id        uuid        NOT NULL,
    -- The order in which they were made: a move copies them in it, so that an order's old intent is
    -- canceled before the next one comes.
    position                 bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    order_id                 uuid        NOT NULL,
    status                   text        NOT NULL,
    capture_method           text        NOT NULL,
    currency                 text        NOT NULL,
    amount_minor             bigint      NOT NULL,
    capturable_minor         bigint      NOT NULL DEFAULT 0,
    captured_minor           bigint      NOT NULL DEFAULT 0,
    refunded_minor           bigint      NOT NULL DEFAULT 0,
    refund_reserved_minor    bigint      NOT NULL DEFAULT 0,
    disputed_minor           bigint      NOT NULL DEFAULT 0,
    captures                 smallint    NOT NULL DEFAULT 0,
    payment_method           text,
    provider_payment_id      text,
    next_action              jsonb,
    failure                  jsonb,
    reason                   text,
    cancel_reason            text,
    version                  bigint      NOT NULL,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    authorized_at            timestamptz,
    authorization_expires_at timestamptz,
    paid_at                  timestamptz,
    canceled_at              timestamptz,
    -- When somebody has to look after it, if nothing is heard of it before.
    due_at                   timestamptz,
    CONSTRAINT payment_intents_pkey PRIMARY KEY (tenant_id, payment_intent_id),
    CONSTRAINT payment_intents_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES souk.orders,
    CONSTRAINT payment_intents_status_known CHECK (status IN (
        'requires_payment_method', 'requires_confirmation', 'requires_action', 'processing',
        'requires_capture', 'succeeded', 'canceled', 'conflicted', 'review')),
    CONSTRAINT payment_intents_capture_method_known
        CHECK (capture_method IN ('automatic', 'manual')),
    CONSTRAINT payment_intents_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT payment_intents_amount_positive CHECK (amount_minor > 0),
    -- The last line of defence against taking too much, and against sending back more than was taken.
    CONSTRAINT payment_intents_captured_range
        CHECK (captured_minor >= 0 AND capturable_minor >= 0
               AND captured_minor + capturable_minor <= amount_minor),
    CONSTRAINT payment_intents_refunds_within_captured
        CHECK (refunded_minor >= 0 AND refund_reserved_minor >= 0
               AND refunded_minor + refund_reserved_minor <= captured_minor),
    CONSTRAINT payment_intents_disputed_not_negative CHECK (disputed_minor >= 0),
    CONSTRAINT payment_intents_version_positive CHECK (version >= 1),
    CONSTRAINT payment_intents_canceled_without_money
        CHECK (status <> 'canceled' OR (captured_minor = 0 AND canceled_at IS NOT NULL))
) WITH (fillfactor = 80);

-- An order is paid once: it has at most one intent that is alive.
CREATE UNIQUE INDEX payment_intents_one_alive_idx ON souk.payment_intents (tenant_id, order_id)
    WHERE status <> 'canceled';
CREATE INDEX payment_intents_order_idx
    ON souk.payment_intents (tenant_id, order_id, payment_intent_id);
CREATE INDEX payment_intents_status_idx
    ON souk.payment_intents (tenant_id, status, payment_intent_id);
-- One payment at the PSP pays one intent.
CREATE UNIQUE INDEX payment_intents_provider_payment_idx
    ON souk.payment_intents (tenant_id, provider_payment_id) WHERE provider_payment_id IS NOT NULL;
CREATE INDEX payment_intents_due_idx ON souk.payment_intents (due_at, payment_intent_id)
    WHERE due_at IS NOT NULL;

CREATE TABLE souk.payment_attempts (
    tenant_id          uuid        NOT NULL,
    payment_attempt_id uuid        NOT NULL,
    payment_intent_id  uuid        NOT NULL,
    number             smallint    NOT NULL,
    status             text        NOT NULL,
    payment_method     text        NOT NULL,
    operation_id       uuid        NOT NULL,
    failure            jsonb,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    CONSTRAINT payment_attempts_pkey PRIMARY KEY (tenant_id, payment_attempt_id),
    CONSTRAINT payment_attempts_intent_fkey
        FOREIGN KEY (tenant_id, payment_intent_id) REFERENCES souk.payment_intents,
    CONSTRAINT payment_attempts_number_key UNIQUE (tenant_id, payment_intent_id, number),
    CONSTRAINT payment_attempts_number_range CHECK (number BETWEEN 1 AND 20),
    CONSTRAINT payment_attempts_status_known CHECK (status IN (
        'started', 'requires_action', 'authorized', 'captured', 'failed', 'voided', 'unknown')),
    -- A number of a card has no letter in it, and never gets here.
    CONSTRAINT payment_attempts_payment_method_is_token
        CHECK (payment_method ~ '^[A-Za-z0-9_-]{1,128}$' AND payment_method ~ '[A-Za-z]')
);

-- What is wanted of the PSP. Written before the PSP is called; its id is the PSP's idempotency key.
CREATE TABLE souk.provider_operations (
    tenant_id         uuid        NOT NULL,
    operation_id      uuid        NOT NULL,
    position          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    payment_intent_id uuid        NOT NULL,
    kind              text        NOT NULL,
    data              jsonb       NOT NULL,
    status            text        NOT NULL,
    tries             smallint    NOT NULL DEFAULT 0,
    last_error        text,
    created_at        timestamptz NOT NULL,
    settled_at        timestamptz,
    -- When it is sent again, if nothing is heard of it before.
    next_try_at       timestamptz,
    CONSTRAINT provider_operations_pkey PRIMARY KEY (tenant_id, operation_id),
    CONSTRAINT provider_operations_intent_fkey
        FOREIGN KEY (tenant_id, payment_intent_id) REFERENCES souk.payment_intents,
    CONSTRAINT provider_operations_kind_known
        CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    CONSTRAINT provider_operations_status_known
        CHECK (status IN ('pending', 'succeeded', 'failed')),
    CONSTRAINT provider_operations_pending_has_next_try
        CHECK ((status = 'pending') = (next_try_at IS NOT NULL)),
    CONSTRAINT provider_operations_settled_at_iff_settled
        CHECK ((status = 'pending') = (settled_at IS NULL))
) WITH (fillfactor = 80);

-- Two commands on one payment do not meet at the PSP.
CREATE UNIQUE INDEX provider_operations_one_pending_idx
    ON souk.provider_operations (tenant_id, payment_intent_id)
    WHERE status = 'pending' AND kind <> 'refund';
CREATE INDEX provider_operations_intent_pending_idx
    ON souk.provider_operations (tenant_id, payment_intent_id) WHERE status = 'pending';
CREATE INDEX provider_operations_due_idx ON souk.provider_operations (next_try_at, operation_id)
    WHERE status = 'pending';

CREATE TABLE souk.refunds (
    tenant_id          uuid        NOT NULL,
    refund_id          uuid        NOT NULL,
    payment_intent_id  uuid        NOT NULL,
    order_id           uuid        NOT NULL,
    status             text        NOT NULL,
    currency           text        NOT NULL,
    amount_minor       bigint      NOT NULL,
    origin             text        NOT NULL,
    reason             text,
    provider_refund_id text,
    failure            jsonb,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    CONSTRAINT refunds_pkey PRIMARY KEY (tenant_id, refund_id),
    CONSTRAINT refunds_intent_fkey
        FOREIGN KEY (tenant_id, payment_intent_id) REFERENCES souk.payment_intents,
    CONSTRAINT refunds_status_known CHECK (status IN ('pending', 'succeeded', 'failed', 'canceled')),
    CONSTRAINT refunds_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT refunds_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT refunds_origin_known CHECK (origin IN ('souk', 'provider'))
);
CREATE INDEX refunds_intent_idx ON souk.refunds (tenant_id, payment_intent_id, refund_id);
CREATE UNIQUE INDEX refunds_provider_refund_idx
    ON souk.refunds (tenant_id, payment_intent_id, provider_refund_id)
    WHERE provider_refund_id IS NOT NULL;

CREATE TABLE souk.disputes (
    tenant_id           uuid        NOT NULL,
    dispute_id          uuid        NOT NULL,
    payment_intent_id   uuid        NOT NULL,
    order_id            uuid        NOT NULL,
    provider_dispute_id text        NOT NULL,
    status              text        NOT NULL,
    currency            text        NOT NULL,
    amount_minor        bigint      NOT NULL,
    withdrawn_minor     bigint      NOT NULL DEFAULT 0,
    reinstated          boolean     NOT NULL DEFAULT false,
    reason              text        NOT NULL,
    version             bigint      NOT NULL,
    opened_at           timestamptz NOT NULL,
    closed_at           timestamptz,
    CONSTRAINT disputes_pkey PRIMARY KEY (tenant_id, dispute_id),
    CONSTRAINT disputes_intent_fkey
        FOREIGN KEY (tenant_id, payment_intent_id) REFERENCES souk.payment_intents,
    CONSTRAINT disputes_provider_dispute_key UNIQUE (tenant_id, provider_dispute_id),
    CONSTRAINT disputes_status_known CHECK (status IN ('open', 'won', 'lost')),
    CONSTRAINT disputes_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT disputes_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT disputes_withdrawn_range CHECK (withdrawn_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT disputes_closed_at_iff_closed CHECK ((status <> 'open') = (closed_at IS NOT NULL))
);
CREATE INDEX disputes_intent_idx ON souk.disputes (tenant_id, payment_intent_id);

-- The inbox of what the PSP tells: an event's effect is had once.
CREATE TABLE souk.provider_events (
    tenant_id         uuid        NOT NULL,
    provider_event_id text        NOT NULL,
    kind              text        NOT NULL,
    received_at       timestamptz NOT NULL,
    CONSTRAINT provider_events_pkey PRIMARY KEY (tenant_id, provider_event_id),
    CONSTRAINT provider_events_id_length CHECK (octet_length(provider_event_id) BETWEEN 1 AND 255),
    CONSTRAINT provider_events_kind_length CHECK (octet_length(kind) <= 255)
);

---------------------------------------------------------------------------------------------------
-- The ledger: double entry, append-only. A positive entry is a debit.
---------------------------------------------------------------------------------------------------

CREATE TABLE souk.ledger_transfers (
    tenant_id          uuid        NOT NULL,
    ledger_transfer_id uuid        NOT NULL,
    source             text        NOT NULL,
    currency           text        NOT NULL,
    payment_intent_id  uuid,
    booked_at          timestamptz NOT NULL,
    CONSTRAINT ledger_transfers_pkey PRIMARY KEY (tenant_id, ledger_transfer_id),
    -- What happened is booked once.
    CONSTRAINT ledger_transfers_source_key UNIQUE (tenant_id, source),
    CONSTRAINT ledger_transfers_source_length CHECK (octet_length(source) BETWEEN 1 AND 400),
    CONSTRAINT ledger_transfers_currency_form CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE INDEX ledger_transfers_intent_idx ON souk.ledger_transfers (tenant_id, payment_intent_id);

CREATE TABLE souk.ledger_entries (
    tenant_id          uuid     NOT NULL,
    ledger_transfer_id uuid     NOT NULL,
    entry_number       smallint NOT NULL,
    account            text     NOT NULL,
    amount_minor       bigint   NOT NULL,
    CONSTRAINT ledger_entries_pkey PRIMARY KEY (tenant_id, ledger_transfer_id, entry_number),
    CONSTRAINT ledger_entries_transfer_fkey
        FOREIGN KEY (tenant_id, ledger_transfer_id) REFERENCES souk.ledger_transfers,
    CONSTRAINT ledger_entries_account_known CHECK (account IN (
        'receivable', 'cash_at_psp', 'revenue', 'refunds', 'fees', 'disputes')),
    CONSTRAINT ledger_entries_amount_not_zero CHECK (amount_minor <> 0)
);

-- Whether the tenant is served from this database. Rules about several rows hold where it is: a move
-- copies rows in any order and some at a time, and takes them away from where the tenant was.
CREATE FUNCTION souk.tenant_is_served(p_tenant uuid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (SELECT FROM souk.tenants t WHERE t.tenant_id = p_tenant
                   AND t.placement IN ('active', 'held'));

CREATE FUNCTION souk.ledger_is_append_only() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF souk.tenant_is_served(OLD.tenant_id) THEN
        RAISE EXCEPTION 'the ledger is append-only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_append_only';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_transfers_append_only BEFORE UPDATE OR DELETE ON souk.ledger_transfers
    FOR EACH ROW EXECUTE FUNCTION souk.ledger_is_append_only();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON souk.ledger_entries
    FOR EACH ROW EXECUTE FUNCTION souk.ledger_is_append_only();

CREATE FUNCTION souk.ledger_transfer_is_balanced() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_sum numeric;
    v_entries bigint;
BEGIN
    IF NOT souk.tenant_is_served(NEW.tenant_id) THEN
        RETURN NULL;
    END IF;
    SELECT sum(e.amount_minor), count(*) INTO v_sum, v_entries
    FROM souk.ledger_entries e
    WHERE e.tenant_id = NEW.tenant_id AND e.ledger_transfer_id = NEW.ledger_transfer_id;
    IF v_entries < 2 OR v_sum <> 0 THEN
        RAISE EXCEPTION 'the entries of a transfer do not add up to nothing'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfers_balanced';
    END IF;
    RETURN NULL;
END
$$;

-- On both: a transfer without entries is none, and an entry that comes later is seen too.
CREATE CONSTRAINT TRIGGER ledger_transfers_balanced AFTER INSERT ON souk.ledger_transfers
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION souk.ledger_transfer_is_balanced();
CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON souk.ledger_entries
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION souk.ledger_transfer_is_balanced();

-- The intent's sums are those of its refunds: with the check on the intent, no set of refunds can send
-- back more than was captured, whoever writes them.
CREATE FUNCTION souk.refunds_add_up() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_wrong boolean;
BEGIN
    IF NOT souk.tenant_is_served(NEW.tenant_id) THEN
        RETURN NULL;
    END IF;
    SELECT i.refunded_minor <> coalesce(r.succeeded, 0)
        OR i.refund_reserved_minor <> coalesce(r.pending, 0) INTO v_wrong
    FROM souk.payment_intents i
    CROSS JOIN LATERAL (
        SELECT sum(amount_minor) FILTER (WHERE f.status = 'succeeded') AS succeeded,
               sum(amount_minor) FILTER (WHERE f.status = 'pending') AS pending
        FROM souk.refunds f
        WHERE f.tenant_id = i.tenant_id AND f.payment_intent_id = i.payment_intent_id
    ) r
    WHERE i.tenant_id = NEW.tenant_id AND i.payment_intent_id = NEW.payment_intent_id;
    IF v_wrong THEN
        RAISE EXCEPTION 'the refunds of a payment intent do not add up to what it says'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_add_up';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER refunds_add_up AFTER INSERT OR UPDATE ON souk.refunds
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION souk.refunds_add_up();

---------------------------------------------------------------------------------------------------
-- Row level security and rights.
---------------------------------------------------------------------------------------------------

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'payment_intents', 'payment_attempts', 'provider_operations', 'refunds', 'disputes',
        'provider_events', 'ledger_transfers', 'ledger_entries'
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

GRANT SELECT, INSERT, UPDATE ON souk.payment_intents, souk.payment_attempts,
    souk.provider_operations, souk.refunds, souk.disputes TO souk_app;
GRANT SELECT, INSERT ON souk.provider_events, souk.ledger_transfers, souk.ledger_entries
    TO souk_app;

-- The sweeper sees what is due, of every tenant, and nothing else.
CREATE POLICY sweeper_reads_due ON souk.payment_intents FOR SELECT TO souk_sweeper
    USING (due_at IS NOT NULL);
GRANT SELECT (tenant_id, payment_intent_id, due_at) ON souk.payment_intents TO souk_sweeper;
CREATE POLICY sweeper_reads_due ON souk.provider_operations FOR SELECT TO souk_sweeper
    USING (status = 'pending');
GRANT SELECT (tenant_id, operation_id, next_try_at, status) ON souk.provider_operations
    TO souk_sweeper;
