-- Orders of a year, evenly, one line each: variables tenant, count. Ids are UUIDs of version 7 by the
-- time of the order. One of ten is cancelled, the others are completed; every hundredth customer
-- comes back.
BEGIN;
INSERT INTO souk.tenants (tenant_id, name, created_at) VALUES (:'tenant', 'Benchmark', now())
ON CONFLICT DO NOTHING;
INSERT INTO souk.skus (tenant_id, sku, title) VALUES (:'tenant', 'LISTED', 'Listed article');
SELECT set_config('session_replication_role', 'replica', true) \g /dev/null
CREATE TEMPORARY TABLE new_orders ON COMMIT DROP AS
SELECT n, uuidv7(t.placed_at - clock_timestamp()) AS order_id, t.placed_at
FROM generate_series(1, :count) n
CROSS JOIN LATERAL (SELECT now() - interval '365 days' * (1 - n::double precision / :count) AS placed_at) t;
INSERT INTO souk.orders (tenant_id, order_id, status, currency, subtotal_minor, total_minor,
    customer_reference, version, placed_at, cancelled_at, placed_event_id, placed_by)
SELECT :'tenant', order_id, CASE WHEN n % 10 = 0 THEN 'cancelled' ELSE 'placed' END, 'EUR', 1999, 1999,
    'customer-' || n % (:count / 50), 1 + (n % 10 = 0)::integer, placed_at,
    CASE WHEN n % 10 = 0 THEN placed_at END, gen_random_uuid(), 'key_00000000000000000000000000000001'
FROM new_orders;
INSERT INTO souk.order_lines (tenant_id, order_id, line_number, sku, quantity, unit_price_minor,
    line_total_minor)
SELECT :'tenant', order_id, 1, 'LISTED', 1, 1999, 1999 FROM new_orders;
COMMIT;
