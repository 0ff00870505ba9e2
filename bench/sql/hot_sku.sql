-- A sku whose units are spread over buckets: variables tenant, sku, units, buckets.
INSERT INTO souk.skus (tenant_id, sku, title) VALUES (:'tenant', :'sku', 'In the sale');
INSERT INTO souk.prices (tenant_id, sku, currency, unit_price_minor)
VALUES (:'tenant', :'sku', 'EUR', 999);
INSERT INTO souk.stock_levels (tenant_id, sku, bucket, available)
SELECT :'tenant', :'sku', b,
    :units::bigint / :buckets + CASE WHEN b < :units::bigint % :buckets THEN 1 ELSE 0 END
FROM generate_series(0, :buckets - 1) b;
UPDATE souk.catalog_revisions SET revision = revision + 1 WHERE tenant_id = :'tenant';
