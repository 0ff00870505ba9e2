-- The limit of the machine: one call that takes the bare request and does all of it in the database,
-- prices, totals and the answer's JSON included, with the same rows written as by Souk. It knows no
-- discounts, taxes, shipping and price windows, and a key only within its day. For
-- place-order-bound; nothing of this is shipped.
CREATE FUNCTION souk.bench_place_order(
    p_tenant uuid, p_principal text, p_key text, p_request_id uuid, p_currency text,
    p_skus text[], p_quantities integer[], p_customer_reference text
) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := now();
    v_order uuid := uuidv7();
    v_event uuid := uuidv7();
    v_id text := 'ord_' || replace(v_order::text, '-', '');
    v_lines json;
    v_told_lines json;
    v_zero json := json_build_object('amount_minor', 0, 'currency', p_currency);
    v_sum json;
    v_no_rules jsonb := '{"taxes": [], "shipping": null, "discounts": []}';
    v_unit_prices bigint[];
    v_total bigint;
    v_stock record;
    v_answer text;
    v_first text;
BEGIN
    PERFORM souk.enter_to_write(p_tenant);
    SELECT json_agg(json_build_object(
               'line_number', l.number, 'sku', l.sku, 'quantity', l.quantity,
               'unit_price', json_build_object(
                   'amount_minor', p.unit_price_minor, 'currency', p_currency),
               'line_total', json_build_object(
                   'amount_minor', p.unit_price_minor * l.quantity, 'currency', p_currency),
               'discount', v_zero, 'tax', v_zero, 'tax_rate_ppm', 0, 'fulfilled_quantity', 0)
               ORDER BY l.number),
           json_agg(json_build_object(
               'discount', v_zero, 'line_number', l.number, 'line_total', json_build_object(
                   'amount_minor', p.unit_price_minor * l.quantity, 'currency', p_currency),
               'quantity', l.quantity, 'sku', l.sku, 'tax', v_zero,
               'unit_price', json_build_object(
                   'amount_minor', p.unit_price_minor, 'currency', p_currency))
               ORDER BY l.number),
           array_agg(p.unit_price_minor ORDER BY l.number),
           sum(p.unit_price_minor * l.quantity)::bigint
    INTO v_lines, v_told_lines, v_unit_prices, v_total
    FROM unnest(p_skus, p_quantities) WITH ORDINALITY AS l (sku, quantity, number)
    JOIN souk.prices p ON p.tenant_id = p_tenant AND p.sku = l.sku AND p.currency = p_currency;
    IF cardinality(v_unit_prices) < cardinality(p_skus) THEN
        RAISE EXCEPTION 'not sold';
    END IF;
    v_sum := json_build_object('amount_minor', v_total, 'currency', p_currency);
    v_answer := json_build_object('id', v_id, 'status', 'placed', 'payment_status', 'unpaid',
        'version', 1, 'subtotal', v_sum, 'discount', v_zero, 'shipping', v_zero, 'tax', v_zero,
        'tax_included', true, 'total', v_sum, 'breakdown', v_no_rules, 'refunded', v_zero,
        'shipping_country', NULL, 'lines', v_lines, 'customer_reference', p_customer_reference,
        'reservation_expires_at', v_now + interval '15 minutes', 'placed_at', v_now,
        'confirmed_at', NULL, 'fulfilled_at', NULL, 'completed_at', NULL, 'cancelled_at', NULL,
        'cancel_reason', NULL)::text;
    INSERT INTO souk.idempotency_keys (tenant_id, principal, key, created_on, operation,
        fingerprint, recovery_point, resource_id, response_status, response_headers, response_body,
        created_at, finished_at, expires_at)
    VALUES (p_tenant, p_principal, p_key, (v_now AT TIME ZONE 'UTC')::date, 'POST /v1/orders',
        sha256(convert_to(p_currency || p_skus::text || p_quantities::text, 'UTF8')), 'finished',
        v_id, 201, json_build_object('content-type', 'application/json', 'etag', '"1"',
            'location', '/v1/orders/' || v_id)::jsonb, convert_to(v_answer, 'UTF8'),
        v_now, v_now, v_now + interval '24 hours')
    ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO NOTHING;
    IF NOT FOUND THEN
        SELECT convert_from(k.response_body, 'UTF8') INTO v_first FROM souk.idempotency_keys k
        WHERE k.tenant_id = p_tenant AND k.principal = p_principal AND k.key = p_key;
        RETURN v_first;
    END IF;
    SELECT r.allocations, r.short INTO v_stock
    FROM souk.reserve_stock(p_tenant, p_skus, p_quantities::bigint[]) r;
    IF v_stock.short <> '{}' THEN
        RAISE EXCEPTION 'insufficient stock';
    END IF;
    INSERT INTO souk.orders (tenant_id, order_id, status, currency, subtotal_minor, total_minor,
        customer_reference, breakdown, allocations, reservation_expires_at, version, placed_at,
        placed_event_id, placed_by, placed_request_id)
    VALUES (p_tenant, v_order, 'placed', p_currency, v_total, v_total, p_customer_reference,
        v_no_rules, v_stock.allocations, v_now + interval '15 minutes', 1, v_now, v_event, p_principal,
        p_request_id);
    INSERT INTO souk.order_lines (tenant_id, order_id, line_number, sku, quantity,
        unit_price_minor, line_total_minor)
    SELECT p_tenant, v_order, l.number, l.sku, l.quantity, l.price, l.price * l.quantity
    FROM unnest(p_skus, p_quantities, v_unit_prices) WITH ORDINALITY
        AS l (sku, quantity, price, number);
    INSERT INTO souk.outbox_events (event_id, tenant_id, lane, aggregate_id, sequence, event_type,
        body, created_at)
    VALUES (v_event, p_tenant, hashtext(v_id) & 63, v_order, 1, 'order.placed.v1',
        json_build_object('specversion', '1.0', 'id', 'evt_' || replace(v_event::text, '-', ''),
            'source', 'souk/orders', 'type', 'order.placed.v1', 'subject', v_id, 'time', v_now,
            'datacontenttype', 'application/json',
            'tenant_id', 'ten_' || replace(p_tenant::text, '-', ''), 'sequence', 1,
            'correlation_id', 'req_' || replace(p_request_id::text, '-', ''),
            'data', json_build_object('currency', p_currency,
                'customer_reference', p_customer_reference, 'discount', v_zero,
                'lines', v_told_lines, 'order_id', v_id, 'placed_at', v_now, 'shipping', v_zero,
                'subtotal', v_sum, 'tax', v_zero, 'tax_included', true, 'total', v_sum))::text,
        v_now);
    RETURN v_answer;
END
$$;
GRANT EXECUTE ON FUNCTION souk.bench_place_order(uuid, text, text, uuid, text, text[], integer[], text)
    TO souk_app;
