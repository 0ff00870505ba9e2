-- History: events of the last seven days that were published. Variables tenant, per_day, body. Days are
-- loaded by themselves and attached when they are whole; they are not logged, which readers do not notice.
SET synchronous_commit = off;
SELECT format(
    'CREATE UNLOGGED TABLE souk.outbox_events_%s (LIKE souk.outbox_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
    to_char(current_date - d, 'YYYYMMDD'))
FROM generate_series(7, 1, -1) d \gexec
SELECT format(
    'INSERT INTO souk.outbox_events_%1$s (position, written_on, event_id, tenant_id, lane, aggregate_id, '
    'sequence, event_type, body, created_at) '
    'SELECT %2$s::bigint + (o.n - 1) * 4 + s, %3$L::date, o.order_id, %4$L::uuid, o.lane, o.order_id, s, '
    '''order.placed.v1'', %5$L, %3$L::date + interval ''12 hours'' '
    'FROM (SELECT n, order_id, get_byte(sha256(uuid_send(order_id)), 0) %% 64 AS lane '
    'FROM (SELECT n, uuidv7() AS order_id FROM generate_series(1, %6$s) n OFFSET 0) i) o '
    'CROSS JOIN generate_series(1, 4) s',
    to_char(current_date - d, 'YYYYMMDD'), (7 - d) * :per_day::bigint, current_date - d, :'tenant', :'body',
    :per_day / 4)
FROM generate_series(7, 1, -1) d \gexec
SELECT format(
    'ALTER TABLE souk.outbox_events ATTACH PARTITION souk.outbox_events_%s FOR VALUES FROM (%L) TO (%L)',
    to_char(current_date - d, 'YYYYMMDD'), current_date - d, current_date - d + 1)
FROM generate_series(7, 1, -1) d \gexec
SELECT setval('souk.outbox_positions', 7 * :per_day::bigint + 1) \g /dev/null
UPDATE souk.outbox_lanes SET low_position = 7 * :per_day::bigint, high_position = 7 * :per_day::bigint;
VACUUM (FREEZE, ANALYZE) souk.outbox_events;
