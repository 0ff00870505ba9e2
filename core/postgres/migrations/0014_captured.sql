-- What was taken of an order's total: with a partial capture that is less than the total, and a refund of
-- all of it is then a full refund.

ALTER TABLE souk.orders ADD COLUMN captured_minor bigint NOT NULL DEFAULT 0;

-- The owner too is bound by the policies: for this statement it is not.
ALTER TABLE souk.orders NO FORCE ROW LEVEL SECURITY;
UPDATE souk.orders o
SET captured_minor = coalesce(
    (SELECT least(i.captured_minor, o.total_minor) FROM souk.payment_intents i
     WHERE i.tenant_id = o.tenant_id AND i.order_id = o.order_id AND i.captured_minor > 0
     ORDER BY i.created_at DESC LIMIT 1),
    o.total_minor)
WHERE o.payment_status IN ('paid', 'partially_refunded', 'refunded');
ALTER TABLE souk.orders FORCE ROW LEVEL SECURITY;

ALTER TABLE souk.orders
    DROP CONSTRAINT orders_refunded_range,
    ADD CONSTRAINT orders_captured_range CHECK (captured_minor BETWEEN 0 AND total_minor),
    ADD CONSTRAINT orders_refunded_range CHECK (refunded_minor BETWEEN 0 AND captured_minor);
