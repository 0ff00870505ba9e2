-- Makes the role that owns the schemas, and the databases: two shards and the directory of tenants.
-- Repeatable. For psql, as a role that may create roles and databases. Variable: password.
-- The owner is no superuser, so that row level security holds it as it does in production.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer < 150000 THEN
        RAISE EXCEPTION 'Postgres 15 or newer is needed, this is %',
            current_setting('server_version');
    END IF;
END
$$;

SELECT 'CREATE ROLE souk_owner LOGIN CREATEROLE'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'souk_owner') \gexec

ALTER ROLE souk_owner PASSWORD :'password';

SELECT format('CREATE DATABASE %I OWNER souk_owner', name)
FROM unnest(ARRAY['souk_a', 'souk_b', 'souk_directory']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
