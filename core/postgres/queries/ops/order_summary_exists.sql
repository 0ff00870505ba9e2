-- Prints `t` once an order is in the read model, else `f`. For psql, as a role that the tenant's
-- policy holds. Variables: tenant_id and order_id, as UUIDs.
BEGIN READ ONLY;
SELECT set_config('souk.tenant_id', :'tenant_id', true) AS tenant_id \gset
SELECT EXISTS (
    SELECT FROM souk.order_summaries
    WHERE tenant_id = :'tenant_id'::uuid AND order_id = :'order_id'::uuid
);
COMMIT;
