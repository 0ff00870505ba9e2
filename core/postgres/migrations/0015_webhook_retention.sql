-- Deliveries that came to an end are kept for a while, with their attempts and messages, and then dropped
-- by the sweeper. It may delete what has ended, and nothing else; of what it may see it needs times and ids.

CREATE INDEX webhook_deliveries_settled_idx ON souk.webhook_deliveries (settled_at)
    WHERE status <> 'pending';
-- Whether a message is still needed.
CREATE INDEX webhook_deliveries_message_idx ON souk.webhook_deliveries (tenant_id, event_id);
CREATE INDEX webhook_messages_occurred_idx ON souk.webhook_messages (occurred_at);

CREATE POLICY sweeper_reads_settled ON souk.webhook_deliveries FOR SELECT TO souk_sweeper
    USING (status <> 'pending');
CREATE POLICY sweeper_drops_settled ON souk.webhook_deliveries FOR DELETE TO souk_sweeper
    USING (status <> 'pending' AND lease_expires_at IS NULL);
CREATE POLICY sweeper_reads ON souk.webhook_attempts FOR SELECT TO souk_sweeper USING (true);
CREATE POLICY sweeper_drops ON souk.webhook_attempts FOR DELETE TO souk_sweeper USING (true);
CREATE POLICY sweeper_reads ON souk.webhook_messages FOR SELECT TO souk_sweeper USING (true);
CREATE POLICY sweeper_drops ON souk.webhook_messages FOR DELETE TO souk_sweeper USING (true);

GRANT DELETE ON souk.webhook_deliveries, souk.webhook_attempts, souk.webhook_messages TO souk_sweeper;
GRANT SELECT (endpoint_id, event_id, settled_at, lease_expires_at) ON souk.webhook_deliveries
    TO souk_sweeper;
GRANT SELECT (tenant_id, endpoint_id, event_id) ON souk.webhook_attempts TO souk_sweeper;
GRANT SELECT (tenant_id, event_id, occurred_at) ON souk.webhook_messages TO souk_sweeper;
