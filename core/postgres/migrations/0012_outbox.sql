-- The outbox is read by a cursor per lane and marks nothing: what was published is known by where the
-- cursor stands. ADR 0015 tells why, and why no event that commits late is skipped.
--
-- Every event is written anew here, so this takes as long as the history is large; no relay and no
-- writer may run meanwhile, which the lock below sees to.

LOCK TABLE souk.outbox_events IN ACCESS EXCLUSIVE MODE;
ALTER TABLE souk.outbox_events RENAME TO outbox_events_0001;
ALTER TABLE souk.outbox_events_0001 RENAME CONSTRAINT outbox_events_pkey TO outbox_events_0001_pkey;

---------------------------------------------------------------------------------------------------
-- Events: written once, never changed, dropped by the day.
---------------------------------------------------------------------------------------------------

-- One at a time (CACHE 1): positions rise in the order in which they are drawn, over all sessions.
CREATE SEQUENCE souk.outbox_positions AS bigint CACHE 1;

CREATE TABLE souk.outbox_events (
    -- The transaction that writes the event. It stands before the position, and columns get their
    -- defaults in this order: who has drawn a position had its number before. So once all transactions
    -- below some number have ended, no position that was drawn until then can appear any more.
    written_in   xid8        NOT NULL DEFAULT pg_current_xact_id(),
    position     bigint      NOT NULL DEFAULT nextval('souk.outbox_positions'),
    -- The UTC day, by this database's clock: its partition.
    written_on   date        NOT NULL DEFAULT (transaction_timestamp() AT TIME ZONE 'UTC')::date,
    event_id     uuid        NOT NULL,
    tenant_id    uuid        NOT NULL,
    lane         smallint    NOT NULL,
    aggregate_id uuid        NOT NULL,
    sequence     bigint      NOT NULL,
    event_type   text        NOT NULL,
    body         text        NOT NULL,
    created_at   timestamptz NOT NULL,
    -- Two transitions of one aggregate cannot both be the n-th on one day; over the days, the version of
    -- the aggregate's row sees to it.
    CONSTRAINT outbox_events_pkey PRIMARY KEY (tenant_id, aggregate_id, sequence, written_on),
    -- Lane -1 is read by nobody: history that came with a tenant from another database.
    CONSTRAINT outbox_events_lane_range CHECK (lane BETWEEN -1 AND 63),
    CONSTRAINT outbox_events_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT outbox_events_body_length CHECK (octet_length(body) <= 65536)
) PARTITION BY RANGE (written_on);
ALTER SEQUENCE souk.outbox_positions OWNED BY souk.outbox_events.position;
CREATE INDEX outbox_events_lane_idx ON souk.outbox_events (lane, position);
-- Catches what comes when nobody has made the day's partition.
CREATE TABLE souk.outbox_events_default PARTITION OF souk.outbox_events DEFAULT;

ALTER TABLE souk.outbox_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE souk.outbox_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON souk.outbox_events
    USING (tenant_id = souk.current_tenant_id()) WITH CHECK (tenant_id = souk.current_tenant_id());
CREATE POLICY relay_reads_all ON souk.outbox_events FOR SELECT TO souk_relay USING (true);

GRANT USAGE ON SEQUENCE souk.outbox_positions TO souk_app;
-- Not what the database itself says of an event.
GRANT SELECT, INSERT (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at)
    ON souk.outbox_events TO souk_app;
GRANT SELECT ON souk.outbox_events TO souk_relay;

---------------------------------------------------------------------------------------------------
-- Held events: the cursor has passed them, and they were not published. Each carries all that a relay
-- needs, so that no partition is kept for it.
---------------------------------------------------------------------------------------------------

CREATE TABLE souk.outbox_held (
    lane           smallint    NOT NULL,
    position       bigint      NOT NULL,
    tenant_id      uuid        NOT NULL,
    aggregate_id   uuid        NOT NULL,
    event_id       uuid        NOT NULL,
    sequence       bigint      NOT NULL,
    event_type     text        NOT NULL,
    body           text        NOT NULL,
    created_at     timestamptz NOT NULL,
    held_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- How often the queue has refused it.
    attempts       integer     NOT NULL DEFAULT 0,
    last_error     text,
    -- Only the first held event of an aggregate has one: the others wait for it.
    next_try_at    timestamptz,
    -- Since when nobody tries any more, until an operator releases or drops it.
    quarantined_at timestamptz,
    CONSTRAINT outbox_held_pkey PRIMARY KEY (lane, position),
    CONSTRAINT outbox_held_quarantine_waits CHECK (quarantined_at IS NULL OR next_try_at IS NULL)
);
CREATE INDEX outbox_held_aggregate_idx ON souk.outbox_held (lane, aggregate_id, position);
CREATE INDEX outbox_held_due_idx ON souk.outbox_held (lane, next_try_at)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX outbox_held_quarantined_idx ON souk.outbox_held (lane, position)
    WHERE quarantined_at IS NOT NULL;
CREATE INDEX outbox_held_tenant_idx ON souk.outbox_held (tenant_id);

ALTER TABLE souk.outbox_held ENABLE ROW LEVEL SECURITY;
ALTER TABLE souk.outbox_held FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON souk.outbox_held
    USING (tenant_id = souk.current_tenant_id()) WITH CHECK (tenant_id = souk.current_tenant_id());
CREATE POLICY relay_holds_all ON souk.outbox_held TO souk_relay USING (true) WITH CHECK (true);
GRANT SELECT ON souk.outbox_held TO souk_app;
GRANT SELECT, INSERT, DELETE ON souk.outbox_held TO souk_relay;
GRANT UPDATE (attempts, last_error, next_try_at, quarantined_at) ON souk.outbox_held TO souk_relay;

---------------------------------------------------------------------------------------------------
-- Lanes: how far each has been read, and by whom.
---------------------------------------------------------------------------------------------------

ALTER TABLE souk.outbox_lanes
    -- All at or below is dealt with, for good.
    ADD COLUMN low_position  bigint      NOT NULL DEFAULT 0,
    -- All at or below that had been committed in `seen` is dealt with.
    ADD COLUMN high_position bigint      NOT NULL DEFAULT 0,
    ADD COLUMN seen          pg_snapshot NOT NULL DEFAULT pg_current_snapshot(),
    -- Once all transactions below `mark_xid` have ended, nothing can appear at or below `mark_position`
    -- any more, and `low_position` moves there.
    ADD COLUMN mark_position bigint,
    ADD COLUMN mark_xid      xid8,
    ADD COLUMN marked_at     timestamptz,
    -- How often in a row the lane was given back because its queue could not be reached, and until when
    -- nobody takes it therefore.
    ADD COLUMN failures      integer     NOT NULL DEFAULT 0,
    ADD COLUMN next_try_at   timestamptz NOT NULL DEFAULT '-infinity',
    ADD CONSTRAINT outbox_lanes_low_not_above_high CHECK (low_position <= high_position),
    ADD CONSTRAINT outbox_lanes_mark_whole
        CHECK (num_nulls(mark_position, mark_xid, marked_at) IN (0, 3));

-- Relays that are alive: they share the lanes.
CREATE TABLE souk.outbox_relays (
    holder      text        NOT NULL,
    alive_until timestamptz NOT NULL,
    CONSTRAINT outbox_relays_pkey PRIMARY KEY (holder)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON souk.outbox_relays TO souk_relay;

-- Whether an event is still to be published.
CREATE FUNCTION souk.is_unsent(p_lane smallint, p_position bigint, p_written_in xid8) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
            SELECT FROM souk.outbox_lanes l
            WHERE l.lane = p_lane
              AND (p_position > l.high_position
                   -- Late; the last two lines as the relay's read has them, for restored events.
                   OR (p_position > l.low_position
                       AND NOT pg_visible_in_snapshot(p_written_in, l.seen)
                       AND (pg_visible_in_snapshot(p_written_in, pg_current_snapshot())
                            OR pg_snapshot_xmax(l.seen) > pg_snapshot_xmax(pg_current_snapshot())))))
        OR EXISTS (
            SELECT FROM souk.outbox_held h WHERE h.lane = p_lane AND h.position = p_position)
$$;

---------------------------------------------------------------------------------------------------
-- Room for the days to come, and the end of those that are over.
---------------------------------------------------------------------------------------------------

-- Makes the partitions of today and of `p_days_ahead` more days, and drops those of days more than
-- `p_days_kept` ago, but none with an event that a relay may still have to read. Runs as the owner; safe
-- to run at any time, by anyone who may, as often as one likes. Returns how many were made and dropped.
--
-- The owner is bound by the row level security of the table, but not of its partitions.
CREATE FUNCTION souk.maintain_outbox(
    p_now timestamptz, p_days_ahead integer, p_days_kept integer,
    OUT made integer, OUT dropped integer
) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- Locks the parent for a moment: better to come back later than to make all writers wait.
    SET lock_timeout = '1s' AS $$
DECLARE
    v_today date := (p_now AT TIME ZONE 'UTC')::date;
    v_last date := (p_now AT TIME ZONE 'UTC')::date - greatest(p_days_kept, 1);
    v_day date;
    v_name text;
    v_partition record;
    v_found boolean;
BEGIN
    made := 0;
    dropped := 0;
    -- One at a time; writers and relays go on.
    LOCK TABLE souk.outbox_events IN SHARE UPDATE EXCLUSIVE MODE;
    FOR i IN 0 .. greatest(p_days_ahead, 1) LOOP
        v_day := v_today + i;
        v_name := 'outbox_events_' || to_char(v_day, 'YYYYMMDD');
        IF to_regclass('souk.' || v_name) IS NULL THEN
            EXECUTE format('CREATE TABLE souk.%I (LIKE souk.outbox_events INCLUDING DEFAULTS '
                           'INCLUDING CONSTRAINTS)', v_name);
            EXECUTE format('ALTER TABLE souk.%I ADD CHECK (written_on = %L)', v_name, v_day);
            -- What has come meanwhile goes where it belongs.
            SELECT EXISTS (SELECT FROM souk.outbox_events_default WHERE written_on = v_day)
            INTO v_found;
            IF v_found THEN
                ALTER TABLE souk.outbox_events DETACH PARTITION souk.outbox_events_default;
                EXECUTE format('WITH moved AS (DELETE FROM souk.outbox_events_default '
                               'WHERE written_on = %L RETURNING *) '
                               'INSERT INTO souk.%I SELECT * FROM moved', v_day, v_name);
            END IF;
            EXECUTE format('ALTER TABLE souk.outbox_events ATTACH PARTITION souk.%I '
                           'FOR VALUES FROM (%L) TO (%L)', v_name, v_day, v_day + 1);
            IF v_found THEN
                ALTER TABLE souk.outbox_events ATTACH PARTITION souk.outbox_events_default DEFAULT;
            END IF;
            made := made + 1;
        END IF;
    END LOOP;
    FOR v_partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'souk.outbox_events'::regclass
          AND c.relname ~ '^outbox_events_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < v_last
    LOOP
        -- A probe of the index for each lane.
        EXECUTE format('SELECT EXISTS (SELECT FROM souk.outbox_lanes l CROSS JOIN LATERAL '
                       '(SELECT FROM souk.%I e WHERE e.lane = l.lane AND e.position > l.low_position '
                       'LIMIT 1) e)', v_partition.relname) INTO v_found;
        IF NOT v_found THEN
            EXECUTE format('DROP TABLE souk.%I', v_partition.relname);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    DELETE FROM souk.outbox_events_default e
    WHERE e.written_on < v_last AND NOT EXISTS (
        SELECT FROM souk.outbox_lanes l WHERE l.lane = e.lane AND e.position > l.low_position);
END
$$;
REVOKE ALL ON FUNCTION souk.maintain_outbox(timestamptz, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION souk.maintain_outbox(timestamptz, integer, integer) TO souk_sweeper;

---------------------------------------------------------------------------------------------------
-- What was written before: first all that was published, then, above the cursors, what was not. Each
-- keeps its order.
---------------------------------------------------------------------------------------------------

ALTER TABLE souk.outbox_events_0001 NO FORCE ROW LEVEL SECURITY;
ALTER TABLE souk.outbox_events NO FORCE ROW LEVEL SECURITY;
INSERT INTO souk.outbox_events (written_on, event_id, tenant_id, lane, aggregate_id, sequence,
    event_type, body, created_at)
SELECT (created_at AT TIME ZONE 'UTC')::date, event_id, tenant_id, lane, aggregate_id, sequence,
    event_type, body, created_at
FROM souk.outbox_events_0001 WHERE published_at IS NOT NULL ORDER BY position;
UPDATE souk.outbox_lanes
SET low_position = h.position, high_position = h.position
FROM (SELECT coalesce(max(position), 0) AS position FROM souk.outbox_events) h;
INSERT INTO souk.outbox_events (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body,
    created_at)
SELECT event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at
FROM souk.outbox_events_0001 WHERE published_at IS NULL ORDER BY position;
ALTER TABLE souk.outbox_events FORCE ROW LEVEL SECURITY;
DROP TABLE souk.outbox_events_0001;
SELECT souk.maintain_outbox(now(), 7, 7);

---------------------------------------------------------------------------------------------------
-- Leasing.
---------------------------------------------------------------------------------------------------

-- Says that a relay is alive, and returns how many lanes each of those that are may hold.
CREATE FUNCTION souk.attend_outbox(p_holder text, p_lease interval) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_alive bigint;
BEGIN
    INSERT INTO souk.outbox_relays AS r (holder, alive_until) VALUES (p_holder, v_now + p_lease)
    ON CONFLICT ON CONSTRAINT outbox_relays_pkey DO UPDATE SET alive_until = excluded.alive_until;
    SELECT count(*) INTO v_alive FROM souk.outbox_relays WHERE alive_until > v_now;
    RETURN ceil(64.0 / greatest(v_alive, 1))::integer;
END
$$;

-- Leases lanes that are free, have something to do and need not wait; lanes that another relay is just
-- leasing are passed over, not waited for. Where there is none, tells how many lanes with something to do
-- others hold, or are just leasing. Arrays are parallel; `takeovers`: whether the last holder has not given it back.
CREATE FUNCTION souk.lease_outbox_lanes(
    p_holder text, p_lease interval, p_lanes_held integer, p_lanes_max integer,
    OUT fair_share integer, OUT held_by_others integer, OUT lanes smallint[], OUT tokens bigint[],
    OUT lows bigint[], OUT highs bigint[], OUT seens text[], OUT failures integer[],
    OUT takeovers boolean[]
) LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_room integer;
BEGIN
    DELETE FROM souk.outbox_relays WHERE holder IN (
        SELECT r.holder FROM souk.outbox_relays r WHERE r.alive_until <= v_now
        FOR UPDATE SKIP LOCKED);
    fair_share := souk.attend_outbox(p_holder, p_lease);
    v_room := greatest(least(fair_share - p_lanes_held, p_lanes_max), 0);
    WITH free AS (
        SELECT l.lane, l.holder FROM souk.outbox_lanes l
        WHERE l.lease_expires_at <= v_now AND l.next_try_at <= v_now
          -- LIMIT: so that this stays a probe of the index per lane, whatever the planner believes.
          AND (l.low_position < l.high_position
               OR (SELECT true FROM souk.outbox_events e
                   WHERE e.lane = l.lane AND e.position > l.high_position LIMIT 1)
               OR (SELECT true FROM souk.outbox_held h
                   WHERE h.lane = l.lane AND h.next_try_at <= v_now LIMIT 1))
        ORDER BY l.lease_expires_at, l.lane
        LIMIT v_room
        FOR UPDATE SKIP LOCKED
    ), leased AS (
        UPDATE souk.outbox_lanes l
        SET holder = p_holder, fencing_token = l.fencing_token + 1,
            lease_expires_at = clock_timestamp() + p_lease
        FROM free f WHERE l.lane = f.lane
        RETURNING l.*, f.holder <> '' AS taken_over
    )
    SELECT coalesce(array_agg(d.lane), '{}'), coalesce(array_agg(d.fencing_token), '{}'),
        coalesce(array_agg(d.low_position), '{}'), coalesce(array_agg(d.high_position), '{}'),
        coalesce(array_agg(d.seen::text), '{}'), coalesce(array_agg(d.failures), '{}'),
        coalesce(array_agg(d.taken_over), '{}')
    INTO lanes, tokens, lows, highs, seens, failures, takeovers
    FROM leased d;
    held_by_others := 0;
    IF lanes = '{}' THEN
        SELECT count(*) INTO held_by_others FROM souk.outbox_lanes l
        WHERE (l.lease_expires_at > v_now AND l.holder <> p_holder
               -- Free, and yet not leased just now: another is at it, and has not committed.
               OR l.lease_expires_at <= v_now AND l.next_try_at <= v_now AND v_room > 0)
          AND (SELECT true FROM souk.outbox_events e
               WHERE e.lane = l.lane AND e.position > l.high_position LIMIT 1);
    END IF;
END
$$;

---------------------------------------------------------------------------------------------------
-- Recording.
---------------------------------------------------------------------------------------------------

-- Lets the first held event of each of these aggregates be tried, unless it is in quarantine or has its
-- time.
CREATE FUNCTION souk.wake_held_aggregates(p_lanes smallint[], p_aggregates uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
BEGIN
    UPDATE souk.outbox_held h SET next_try_at = clock_timestamp()
    FROM (SELECT DISTINCT * FROM unnest(p_lanes, p_aggregates) AS a (lane, aggregate_id)) a
    CROSS JOIN LATERAL (
        SELECT f.lane, f.position FROM souk.outbox_held f
        WHERE f.lane = a.lane AND f.aggregate_id = a.aggregate_id
        ORDER BY f.position LIMIT 1
    ) f
    WHERE h.lane = f.lane AND h.position = f.position
      AND h.next_try_at IS NULL AND h.quarantined_at IS NULL;
END
$$;

-- Writes down what a relay has done, for those lanes whose token is current, and prolongs their leases.
-- `p_highs` and `p_seens`: all events at or below that position that are committed in that snapshot are
-- published, or parked by this very call. A parked event without a reason waits for an earlier one of its
-- aggregate. `p_counts`: whether a failure counts against the event.
CREATE FUNCTION souk.record_outbox(
    p_holder text, p_lease interval, p_tries_max integer,
    p_lanes smallint[], p_tokens bigint[], p_highs bigint[], p_seens text[],
    p_parked_lanes smallint[], p_parked_positions bigint[], p_parked_reasons text[],
    p_parked_waits_us bigint[], p_parked_counts boolean[],
    p_taken_lanes smallint[], p_taken_positions bigint[],
    p_failed_lanes smallint[], p_failed_positions bigint[], p_failed_reasons text[],
    p_failed_waits_us bigint[], p_failed_counts boolean[],
    OUT fair_share integer, OUT quarantined integer,
    OUT lanes smallint[], OUT tokens bigint[], OUT lows bigint[]
) LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    -- Given after every number whose bearer can own a position up to here.
    v_own xid8 := pg_current_xact_id();
    v_woken_lanes smallint[] := '{}';
    v_woken uuid[] := '{}';
    v_more_lanes smallint[];
    v_more uuid[];
    v_count integer;
BEGIN
    quarantined := 0;
    fair_share := souk.attend_outbox(p_holder, p_lease);
    -- The row locks taken here hold off a relay that would take over a lane before this is committed.
    WITH mine AS (
        SELECT l.lane, m.high, m.seen,
            -- What was marked has ended: nothing is below that `seen` has not shown.
            CASE WHEN pg_snapshot_xmin(m.seen) >= l.mark_xid THEN l.mark_position
                 ELSE l.low_position END AS low,
            -- A mark from the future is that of another cluster, of which this one was restored.
            coalesce(pg_snapshot_xmin(m.seen) < l.mark_xid AND l.mark_xid <= v_own, false) AS waits
        FROM (SELECT u.lane, u.token, u.high, u.seen::pg_snapshot AS seen
              FROM unnest(p_lanes, p_tokens, p_highs, p_seens) AS u (lane, token, high, seen)) m
        JOIN souk.outbox_lanes l ON l.lane = m.lane AND l.fencing_token = m.token
        ORDER BY l.lane FOR UPDATE OF l
    ), moved AS (
        UPDATE souk.outbox_lanes l
        SET lease_expires_at = clock_timestamp() + p_lease,
            failures = CASE WHEN m.high > l.high_position THEN 0 ELSE l.failures END,
            high_position = m.high, seen = m.seen, low_position = m.low,
            mark_position = CASE WHEN m.waits THEN l.mark_position
                                 WHEN m.low < m.high THEN m.high END,
            mark_xid = CASE WHEN m.waits THEN l.mark_xid WHEN m.low < m.high THEN v_own END,
            marked_at = CASE WHEN m.waits THEN l.marked_at WHEN m.low < m.high THEN v_now END
        FROM mine m WHERE l.lane = m.lane
        RETURNING l.lane, l.fencing_token, l.low_position
    )
    SELECT coalesce(array_agg(d.lane), '{}'), coalesce(array_agg(d.fencing_token), '{}'),
        coalesce(array_agg(d.low_position), '{}')
    INTO lanes, tokens, lows FROM moved d;

    IF p_taken_lanes <> '{}' THEN
        WITH gone AS (
            DELETE FROM souk.outbox_held h
            USING unnest(p_taken_lanes, p_taken_positions) AS t (lane, position)
            WHERE h.lane = t.lane AND h.position = t.position AND h.lane = ANY (lanes)
            RETURNING h.lane, h.aggregate_id
        )
        SELECT coalesce(array_agg(g.lane), '{}'), coalesce(array_agg(g.aggregate_id), '{}')
        INTO v_woken_lanes, v_woken FROM gone g;
    END IF;

    IF p_failed_lanes <> '{}' THEN
        UPDATE souk.outbox_held h
        SET attempts = h.attempts + f.counts::integer, last_error = f.reason,
            next_try_at = CASE WHEN h.attempts + f.counts::integer < p_tries_max
                THEN v_now + f.wait_us * interval '1 microsecond' END,
            quarantined_at = CASE WHEN h.attempts + f.counts::integer >= p_tries_max
                THEN v_now END
        FROM unnest(p_failed_lanes, p_failed_positions, p_failed_reasons, p_failed_waits_us,
            p_failed_counts) AS f (lane, position, reason, wait_us, counts)
        WHERE h.lane = f.lane AND h.position = f.position AND h.lane = ANY (lanes)
          AND h.quarantined_at IS NULL;
        SELECT count(*) INTO v_count
        FROM unnest(p_failed_lanes, p_failed_positions) AS f (lane, position)
        JOIN souk.outbox_held h ON h.lane = f.lane AND h.position = f.position
        WHERE h.quarantined_at = v_now;
        quarantined := quarantined + v_count;
    END IF;

    IF p_parked_lanes <> '{}' THEN
        WITH held AS (
            INSERT INTO souk.outbox_held (lane, position, tenant_id, aggregate_id, event_id, sequence,
                event_type, body, created_at, attempts, last_error, next_try_at, quarantined_at)
            SELECT e.lane, e.position, e.tenant_id, e.aggregate_id, e.event_id, e.sequence,
                e.event_type, e.body, e.created_at, coalesce(p.counts::integer, 0), p.reason,
                CASE WHEN p.counts AND p_tries_max <= 1 THEN NULL
                     ELSE v_now + p.wait_us * interval '1 microsecond' END,
                CASE WHEN p.counts AND p_tries_max <= 1 THEN v_now END
            FROM unnest(p_parked_lanes, p_parked_positions, p_parked_reasons, p_parked_waits_us,
                p_parked_counts) AS p (lane, position, reason, wait_us, counts)
            CROSS JOIN LATERAL (
                SELECT * FROM souk.outbox_events o
                WHERE o.lane = p.lane AND o.position = p.position LIMIT 1
            ) e
            WHERE p.lane = ANY (lanes)
            ON CONFLICT ON CONSTRAINT outbox_held_pkey DO NOTHING
            RETURNING lane, aggregate_id, quarantined_at
        )
        SELECT coalesce(array_agg(h.lane), '{}'), coalesce(array_agg(h.aggregate_id), '{}'),
            count(h.quarantined_at)
        INTO v_more_lanes, v_more, v_count FROM held h;
        quarantined := quarantined + v_count;
        v_woken_lanes := v_woken_lanes || v_more_lanes;
        v_woken := v_woken || v_more;
    END IF;

    IF v_woken <> '{}' THEN
        PERFORM souk.wake_held_aggregates(v_woken_lanes, v_woken);
    END IF;
END
$$;

-- Parks all late events of a lane, whatever their number, and remembers that they have been seen: both by
-- one snapshot. `p_low` to `p_seen` are the lane's cursor as it was recorded last. Returns the moved
-- cursor's `low` and `seen`; nothing, where the token is not current.
CREATE FUNCTION souk.park_late_outbox(
    p_lane smallint, p_token bigint, p_low bigint, p_high bigint, p_seen text
) RETURNS TABLE (low bigint, seen text) LANGUAGE sql
    SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    WITH mine AS MATERIALIZED (
        SELECT l.lane FROM souk.outbox_lanes l
        WHERE l.lane = p_lane AND l.fencing_token = p_token FOR UPDATE
    ), late AS MATERIALIZED (
        SELECT e.*, row_number() OVER (PARTITION BY e.aggregate_id ORDER BY e.position) AS turn
        FROM mine m JOIN souk.outbox_events e ON e.lane = m.lane
        WHERE e.position > p_low AND e.position <= p_high
          AND NOT pg_visible_in_snapshot(e.written_in, p_seen::pg_snapshot)
          AND (pg_visible_in_snapshot(e.written_in, (SELECT pg_current_snapshot()))
               OR pg_snapshot_xmax(p_seen::pg_snapshot)
                  > (SELECT pg_snapshot_xmax(pg_current_snapshot())))
    ), parked AS (
        INSERT INTO souk.outbox_held (lane, position, tenant_id, aggregate_id, event_id, sequence,
            event_type, body, created_at, next_try_at)
        SELECT e.lane, e.position, e.tenant_id, e.aggregate_id, e.event_id, e.sequence, e.event_type,
            e.body, e.created_at,
            CASE WHEN e.turn = 1 AND (SELECT true FROM souk.outbox_held h
                                      WHERE h.lane = e.lane AND h.aggregate_id = e.aggregate_id
                                      LIMIT 1) IS NULL
                 THEN clock_timestamp() END
        FROM late e
        ON CONFLICT ON CONSTRAINT outbox_held_pkey DO NOTHING
    )
    UPDATE souk.outbox_lanes l SET seen = pg_current_snapshot()
    FROM mine m WHERE l.lane = m.lane
    RETURNING l.low_position, l.seen::text
$$;
