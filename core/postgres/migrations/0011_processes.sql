-- The order process: where each order's stands, and every step that it has taken.

CREATE TABLE souk.order_processes (
    tenant_id      uuid        NOT NULL,
    order_id       uuid        NOT NULL,
    -- When the money is taken. Of the order's first moment: it does not change with a deploy.
    capture_policy text        NOT NULL,
    -- waiting: for `detail`. acting: somebody does the last step, or died over it. review: a person has
    -- to look. done: nothing more is expected.
    state          text        NOT NULL,
    detail         text        NOT NULL DEFAULT '',
    -- When to look again, whatever happens before. Of one that is acting: when the step is taken for
    -- interrupted.
    deadline       timestamptz,
    -- Raised by each step: the number of the last one, and the token under which its outcome is noted.
    version        bigint      NOT NULL DEFAULT 0,
    started_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CONSTRAINT order_processes_pkey PRIMARY KEY (tenant_id, order_id),
    CONSTRAINT order_processes_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES souk.orders,
    CONSTRAINT order_processes_policy_known CHECK (capture_policy IN ('at_once', 'on_fulfilment')),
    CONSTRAINT order_processes_state_known
        CHECK (state IN ('waiting', 'acting', 'review', 'done')),
    CONSTRAINT order_processes_acting_ends CHECK (state <> 'acting' OR deadline IS NOT NULL),
    CONSTRAINT order_processes_done_rests CHECK (state <> 'done' OR deadline IS NULL)
);
CREATE INDEX order_processes_deadline_idx ON souk.order_processes (deadline, order_id)
    WHERE deadline IS NOT NULL;

CREATE TABLE souk.order_process_steps (
    tenant_id   uuid        NOT NULL,
    order_id    uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    step        text        NOT NULL,
    -- What the step is about: amounts, reasons, which payment.
    detail      jsonb       NOT NULL DEFAULT '{}',
    -- What made the process look: an event's type, or a deadline.
    cause       text        NOT NULL,
    decided_at  timestamptz NOT NULL,
    -- Neither is there while a step is being done, and of one that was interrupted.
    finished_at timestamptz,
    outcome     text,
    CONSTRAINT order_process_steps_pkey PRIMARY KEY (tenant_id, order_id, sequence),
    CONSTRAINT order_process_steps_process_fkey FOREIGN KEY (tenant_id, order_id)
        REFERENCES souk.order_processes,
    CONSTRAINT order_process_steps_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT order_process_steps_finished_iff_outcome
        CHECK ((finished_at IS NULL) = (outcome IS NULL))
);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['order_processes', 'order_process_steps'] LOOP
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
GRANT SELECT, INSERT, UPDATE ON souk.order_processes, souk.order_process_steps TO souk_app;

CREATE POLICY sweeper_reads_due ON souk.order_processes FOR SELECT TO souk_sweeper
    USING (deadline IS NOT NULL);
GRANT SELECT (tenant_id, order_id, deadline) ON souk.order_processes TO souk_sweeper;

-- As souk.reserve_stock, but of an order whose transaction goes on where too few units are left: then
-- nothing is reserved.
CREATE FUNCTION souk.reserve_stock_or_none(
    p_tenant uuid, p_skus text[], p_units bigint[],
    OUT allocations jsonb, OUT short text[]
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT r.allocations, r.short INTO allocations, short
    FROM souk.reserve_stock(p_tenant, p_skus, p_units) r;
    IF short <> '{}' THEN
        RAISE EXCEPTION 'insufficient stock' USING ERRCODE = 'SK011';
    END IF;
EXCEPTION WHEN SQLSTATE 'SK011' THEN
    -- What was reserved is undone with this block; what the variables hold is not.
    allocations := '[]';
END
$$;

-- What reconciliation asks of the ledger.
CREATE INDEX ledger_transfers_booked_idx ON souk.ledger_transfers (tenant_id, booked_at);

-- What a process asks of an order's payments.
CREATE INDEX provider_operations_failed_idx
    ON souk.provider_operations (tenant_id, payment_intent_id) WHERE status = 'failed';

-- A refund that Souk is asked for never takes what a dispute has taken, or may take: the customer does
-- not get it twice. What others do at the PSP is written down as it is.
CREATE FUNCTION souk.refund_is_not_disputed() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    v_beyond boolean;
BEGIN
    IF NOT souk.tenant_is_served(NEW.tenant_id) THEN
        RETURN NULL;
    END IF;
    SELECT i.refunded_minor + i.refund_reserved_minor + i.disputed_minor > i.captured_minor
    INTO v_beyond
    FROM souk.payment_intents i
    WHERE i.tenant_id = NEW.tenant_id AND i.payment_intent_id = NEW.payment_intent_id;
    IF v_beyond THEN
        RAISE EXCEPTION 'a dispute holds what is to be refunded'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_not_disputed';
    END IF;
    RETURN NULL;
END
$$;

-- Deferred: the intent's sums are written in the same transaction.
CREATE CONSTRAINT TRIGGER refunds_not_disputed AFTER INSERT ON souk.refunds
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.origin = 'souk' AND NEW.status = 'pending')
    EXECUTE FUNCTION souk.refund_is_not_disputed();

-- Who looks after all tenants of a database has to know which there are.
CREATE POLICY sweeper_reads_served ON souk.tenants FOR SELECT TO souk_sweeper
    USING (placement = 'active');
GRANT SELECT (tenant_id, placement) ON souk.tenants TO souk_sweeper;
