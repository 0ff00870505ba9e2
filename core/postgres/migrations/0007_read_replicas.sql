-- Enters a tenant to read on a replica. Without a position the replica answers as it stands. With one,
-- it has to have replayed the primary's log up to there and to know how the transaction ended; it
-- waits for that at most p_wait_ms milliseconds. Transaction 0 is none: the position is then one after
-- the commit. SQLSTATE SK012: it has not got there, or this server is no replica. SK002 as above.
--
-- pg_visible_in_snapshot would not do here: a snapshot that is taken during recovery lists no running
-- transactions, so that one that has begun but not ended would count as seen.
CREATE FUNCTION souk.enter_replica_to_read(
    p_tenant uuid, p_wal_position pg_lsn, p_transaction_id xid8, p_wait_ms integer
) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_until timestamptz := clock_timestamp() + p_wait_ms * interval '1 millisecond';
    v_arrived boolean;
BEGIN
    LOOP
        v_arrived := pg_is_in_recovery()
            AND (p_wal_position IS NULL OR pg_last_wal_replay_lsn() >= p_wal_position);
        -- Only now: of a transaction that it has not heard of, the replica says that it is an error.
        IF v_arrived AND p_wal_position IS NOT NULL AND p_transaction_id <> '0'::xid8 THEN
            v_arrived := pg_xact_status(p_transaction_id) IS DISTINCT FROM 'in progress';
        END IF;
        EXIT WHEN v_arrived;
        IF clock_timestamp() >= v_until OR NOT pg_is_in_recovery() THEN
            RAISE EXCEPTION 'this server is not a replica that has seen the write'
                USING ERRCODE = 'SK012';
        END IF;
        PERFORM pg_sleep(0.005);
    END LOOP;
    PERFORM souk.enter_to_read(p_tenant);
END
$$;
