-- Consumers: what none of this version understands is parked, and what was applied long ago is forgotten.

-- A message that a consumer could not take and will later: until then it is out of the queue's reach and its clock's.
CREATE TABLE souk.parked_messages (
    tenant_id   uuid        NOT NULL,
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    -- The aggregate as the envelope writes it: its kind may be unknown here.
    subject     text        NOT NULL,
    sequence    bigint      NOT NULL,
    occurred_at timestamptz NOT NULL,
    reason      text        NOT NULL,
    body        text        NOT NULL,
    parked_at   timestamptz NOT NULL DEFAULT now(),
    -- Sent to the consumer's queue again. The row goes when the consumer has applied it, not before.
    released_at timestamptz,
    releases    integer     NOT NULL DEFAULT 0,
    CONSTRAINT parked_messages_pkey PRIMARY KEY (tenant_id, consumer, event_id),
    -- unknown_type, unhandled_type: of a version, or for a consumer, that is not here yet.
    -- behind: an earlier event of its aggregate is parked, and the consumer needs them in order.
    CONSTRAINT parked_messages_reason_known
        CHECK (reason IN ('unknown_type', 'unhandled_type', 'behind')),
    CONSTRAINT parked_messages_names_length
        CHECK (octet_length(event_type) <= 128 AND octet_length(subject) <= 128),
    CONSTRAINT parked_messages_sequence_positive CHECK (sequence >= 1),
    -- What a queue takes.
    CONSTRAINT parked_messages_body_length CHECK (octet_length(body) <= 1048576)
);
-- What an event of the same aggregate has to wait for, and the order of release.
CREATE INDEX parked_messages_subject_idx
    ON souk.parked_messages (tenant_id, consumer, subject, sequence);

ALTER TABLE souk.parked_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE souk.parked_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON souk.parked_messages
    USING (tenant_id = souk.current_tenant_id())
    WITH CHECK (tenant_id = souk.current_tenant_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON souk.parked_messages TO souk_app;

-- How many are parked, of whom and why, but not what they say.
CREATE POLICY sweeper_counts ON souk.parked_messages FOR SELECT TO souk_sweeper USING (true);
GRANT SELECT (tenant_id, consumer, event_type, reason, parked_at, released_at)
    ON souk.parked_messages TO souk_sweeper;

-- Inbox entries are kept longer than anything can be delivered again, and then forgotten. What a queue may still
-- hold, 14 days, cannot be forgotten even by mistake.
CREATE INDEX inbox_messages_received_idx ON souk.inbox_messages (received_at);
CREATE POLICY sweeper_reads_old ON souk.inbox_messages FOR SELECT TO souk_sweeper
    USING (received_at < now() - interval '14 days');
CREATE POLICY sweeper_forgets_old ON souk.inbox_messages FOR DELETE TO souk_sweeper
    USING (received_at < now() - interval '14 days');
GRANT SELECT, DELETE ON souk.inbox_messages TO souk_sweeper;
