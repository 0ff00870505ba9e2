-- What a relay claims lies in the partitions of the last days, and it looks into those only: ten million published
-- events of the days before cost it nothing.

-- Drawn first, and dated then: an event's day is never before that on which its position was drawn. With the day of
-- the transaction's begin, one that is open over midnight could put an event into any earlier day.
ALTER TABLE souk.outbox_events
    ALTER COLUMN written_on SET DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')::date;

-- At some moment of `day`, by this database's clock in UTC, `position` was the last that had been drawn, or an earlier
-- one was. So whoever draws one above it does so on that day or later, and an event above it lies in that day's
-- partition or a later one. A clock that is set back, as by a failover, may be wrong by less than a day: readers go back
-- one day more. A day that is missing here makes reading slower, and never wrong: whoever gives an event another day than
-- its own, as events of a tenant that moves here have it, locks this table against `note_outbox_day` and empties it first.
CREATE TABLE souk.outbox_days (
    day      date   NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT outbox_days_pkey PRIMARY KEY (day)
);
GRANT SELECT ON souk.outbox_days TO souk_relay;

-- Notes how far positions have been drawn today; only the first call of a day does. Forgets days of more than two
-- months ago.
CREATE FUNCTION souk.note_outbox_day() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '1s' AS $$
DECLARE
    v_today date;
BEGIN
    LOCK TABLE souk.outbox_days IN ROW EXCLUSIVE MODE;
    -- Before the position is looked at: what is drawn later is dated later.
    v_today := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    INSERT INTO souk.outbox_days (day, position)
    SELECT v_today, CASE WHEN s.is_called THEN s.last_value ELSE s.last_value - 1 END
    FROM souk.outbox_positions s
    ON CONFLICT ON CONSTRAINT outbox_days_pkey DO NOTHING;
    DELETE FROM souk.outbox_days WHERE day < v_today - 60;
END
$$;
REVOKE ALL ON FUNCTION souk.note_outbox_day() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION souk.note_outbox_day() TO souk_sweeper;
SELECT souk.note_outbox_day();

-- As before, but without a look at days that are over.
--
-- Leases lanes that are free, have something to do and need not wait; lanes that another relay is just
-- leasing are passed over, not waited for. Where there is none, tells how many lanes with something to do
-- others hold, or are just leasing. Arrays are parallel; `takeovers`: whether the last holder has not given it back.
CREATE OR REPLACE FUNCTION souk.lease_outbox_lanes(
    p_holder text, p_lease interval, p_lanes_held integer, p_lanes_max integer,
    OUT fair_share integer, OUT held_by_others integer, OUT lanes smallint[], OUT tokens bigint[],
    OUT lows bigint[], OUT highs bigint[], OUT seens text[], OUT failures integer[],
    OUT takeovers boolean[]
) LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
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
                   WHERE e.lane = l.lane AND e.position > l.high_position
                     AND e.written_on >= (SELECT coalesce(max(d.day) - 1, '-infinity')
                                          FROM souk.outbox_days d WHERE d.position <= l.low_position)
                   LIMIT 1)
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
               WHERE e.lane = l.lane AND e.position > l.high_position
                 AND e.written_on >= (SELECT coalesce(max(d.day) - 1, '-infinity')
                                      FROM souk.outbox_days d WHERE d.position <= l.low_position)
               LIMIT 1);
    END IF;
END
$$;
