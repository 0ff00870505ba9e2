-- A tenant with enough of everything: variables tenant, first, last.
INSERT INTO souk.tenants (tenant_id, name, created_at) VALUES (:'tenant', 'Benchmark', now());
INSERT INTO souk.catalog_revisions (tenant_id, revision) VALUES (:'tenant', 1);
INSERT INTO souk.skus (tenant_id, sku, title)
SELECT :'tenant', 'SKU-' || n, 'Benchmark article' FROM generate_series(:first, :last) n;
INSERT INTO souk.prices (tenant_id, sku, currency, unit_price_minor)
SELECT :'tenant', 'SKU-' || n, 'EUR', 1000 + n % 500 FROM generate_series(:first, :last) n;
INSERT INTO souk.stock_levels (tenant_id, sku, available)
SELECT :'tenant', 'SKU-' || n, 1000000000 FROM generate_series(:first, :last) n;
SELECT made FROM souk.maintain_idempotency_keys(now(), 1, 1) \g /dev/null
VACUUM ANALYZE;
