-- Events that wait to be published: variables tenant, events, orders, per_order, body, and in the body
-- order_in_body and event_in_body. All orders have their first event before any has its second.
CREATE TEMPORARY TABLE new_orders AS
SELECT n, uuidv7() AS order_id FROM generate_series(1, :orders) n;
ALTER TABLE new_orders ADD lane smallint;
UPDATE new_orders SET lane = get_byte(sha256(uuid_send(order_id)), 0) % 64;
INSERT INTO souk.outbox_events
    (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at)
SELECT e.event_id, :'tenant', o.lane, o.order_id, s,
    (ARRAY['order.placed.v1', 'order.confirmed.v1', 'order.fulfilled.v1', 'order.completed.v1'])[1 + (s - 1) % 4],
    replace(replace(:'body', :'order_in_body', replace(o.order_id::text, '-', '')),
            :'event_in_body', replace(e.event_id::text, '-', '')),
    clock_timestamp()
FROM generate_series(1, :per_order) s
CROSS JOIN new_orders o
CROSS JOIN LATERAL (SELECT uuidv7() AS event_id WHERE o.n + s > 0) e
ORDER BY s, o.n
LIMIT :events;
DROP TABLE new_orders;
ANALYZE souk.outbox_events;
