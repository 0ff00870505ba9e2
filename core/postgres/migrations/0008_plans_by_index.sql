-- The statements of the functions' roles go by an index, always.
--
-- A connection keeps the plans of its statements, of the bodies of functions and of the checks of
-- foreign keys. One that is made while a table, or the partition of a new day, is still empty reads it
-- from end to end, and goes on to do so while the table grows, until the next ANALYZE: measured, an
-- order then costs Postgres three times the processor time. Every table that these roles read has an
-- index for it, so a sequential scan is never what is wanted of them.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['souk_app', 'souk_relay', 'souk_sweeper'] LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET enable_seqscan = off', v_role,
            current_database());
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'the roles souk_app, souk_relay and souk_sweeper belong to somebody else: have that one run ALTER ROLE … IN DATABASE % SET enable_seqscan = off for each', current_database();
END
$$;
