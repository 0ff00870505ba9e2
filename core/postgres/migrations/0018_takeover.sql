-- Claims a key for the transaction's tenant, or tells who has it; verdicts as before. An earlier try whose lease has ended may
-- still be alive, and finish while this one takes over: then its answer is the answer, and stays. Or it reaches its next
-- recovery point, with a new lease: then it is running.
-- not expand-only: it takes and gives what it did, and the version before runs on it as well.
CREATE OR REPLACE FUNCTION souk.claim_idempotency_key(
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
    v_taken souk.idempotency_keys;
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
    LOOP
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
            RETURN;
        ELSIF key_record.fingerprint <> p_fingerprint THEN
            verdict := 'reused';
            RETURN;
        ELSIF key_record.finished_at IS NOT NULL THEN
            verdict := 'finished';
            RETURN;
        ELSIF key_record.lease_expires_at > clock_timestamp() THEN
            verdict := 'in_flight';
            RETURN;
        END IF;
        UPDATE souk.idempotency_keys k
        SET fencing_token = k.fencing_token + 1,
            lease_expires_at = CASE WHEN NOT v_done THEN clock_timestamp() + p_lease END,
            recovery_point = CASE WHEN v_done THEN 'finished' ELSE k.recovery_point END,
            resource_id = coalesce(p_resource_id, k.resource_id),
            response_status = p_response_status, response_headers = p_response_headers,
            response_body = p_response_body, finished_at = CASE WHEN v_done THEN p_now END
        WHERE k.tenant_id = v_tenant AND k.principal = p_principal AND k.key = p_key
          AND k.created_on = key_record.created_on
          -- As it was seen: whoever has changed it since was waited for, and is looked at again.
          AND k.fencing_token = key_record.fencing_token AND k.finished_at IS NULL
          AND k.lease_expires_at IS NOT DISTINCT FROM key_record.lease_expires_at
        RETURNING k.* INTO v_taken;
        IF FOUND THEN
            key_record := v_taken;
            verdict := 'takeover';
            RETURN;
        END IF;
    END LOOP;
END
$$;
