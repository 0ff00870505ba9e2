-- A tenant's move to another shard, as the shards see it.

ALTER TABLE souk.tenants
    -- Until when writes are held, by this database's clock: a mover that dies holds nobody up for
    -- longer. `infinity` once the copy is complete and the switch can come at any moment.
    ADD COLUMN held_until timestamptz,
    -- Under which token the present mover works, from the directory. A mover with an older one is
    -- refused.
    ADD COLUMN move_token bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT tenants_held_until_iff_held CHECK ((held_until IS NOT NULL) = (placement = 'held'));

-- As before, but a hold ends by itself.
CREATE OR REPLACE FUNCTION souk.enter_to_write(p_tenant uuid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_placement text;
    v_held_until timestamptz;
BEGIN
    PERFORM set_config('souk.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', '2500', true),
            pg_advisory_xact_lock_shared(souk.tenant_lock(p_tenant));
    SELECT t.placement, t.held_until INTO v_placement, v_held_until
    FROM souk.tenants t WHERE t.tenant_id = p_tenant;
    IF v_placement = 'active' THEN
        RETURN;
    ELSIF v_placement = 'held' THEN
        IF v_held_until <= clock_timestamp() THEN
            RETURN;
        END IF;
        RAISE EXCEPTION 'writes of this tenant are held' USING ERRCODE = 'SK001';
    END IF;
    RAISE EXCEPTION 'this tenant is not served from here' USING ERRCODE = 'SK002';
END
$$;

-- Enters a tenant to write its rows for a move, or to remove them after one: whoever changes the
-- placement waits until the transaction ends. SQLSTATE SK003: the tenant's placement here is another,
-- or another mover has taken over.
CREATE FUNCTION souk.enter_to_move(p_tenant uuid, p_placement text, p_token bigint) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('souk.tenant_id', p_tenant::text, true),
            pg_advisory_xact_lock_shared(souk.tenant_lock(p_tenant));
    IF NOT EXISTS (SELECT FROM souk.tenants t WHERE t.tenant_id = p_tenant
                   AND t.placement = p_placement AND t.move_token = p_token) THEN
        RAISE EXCEPTION 'this mover has been replaced' USING ERRCODE = 'SK003';
    END IF;
END
$$;
