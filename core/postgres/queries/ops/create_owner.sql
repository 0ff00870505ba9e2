-- Makes the role that owns the schema, and its database. Repeatable. For psql, as a role that may
-- create roles and databases. Variable: password.
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

SELECT 'CREATE DATABASE souk OWNER souk_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'souk') \gexec
