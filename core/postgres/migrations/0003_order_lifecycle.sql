-- What of an order's total went back to its buyer.

ALTER TABLE souk.orders
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_refunded_range CHECK (refunded_minor BETWEEN 0 AND total_minor);
