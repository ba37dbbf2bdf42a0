-- The second wall, docs/adr/0015: nobody logs in as these two roles. A transaction takes one of them
-- and says for which tenants it works. Roles are the cluster's: another database may have made them.
DO $$
DECLARE
  name text;
  is_16 constant boolean := current_setting('server_version_num')::int >= 160000;
  -- A member that inherits sees by the operator's policy without asking. PostgreSQL 15 knows no other.
  terms constant text := CASE WHEN is_16 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
BEGIN
  FOREACH name IN ARRAY ARRAY['landfall_service', 'landfall_operator'] LOOP
    BEGIN
      IF to_regrole(name) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      END IF;
    EXCEPTION
      -- A migration of another database was faster.
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = name AND (rolsuper OR rolbypassrls)) THEN
      RAISE EXCEPTION 'the role % is there already, and above row level security: an administrator has to run ALTER ROLE % NOSUPERUSER NOBYPASSRLS',
        name, name;
    END IF;
    BEGIN
      IF NOT pg_has_role(current_user, name, CASE WHEN is_16 THEN 'SET' ELSE 'MEMBER' END) THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', name) || terms;
      END IF;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format(
        'the login %s may not create or join roles: an administrator has to run %s%sGRANT landfall_service, landfall_operator TO %I%s',
        current_user,
        CASE WHEN to_regrole('landfall_service') IS NULL THEN 'CREATE ROLE landfall_service NOLOGIN; ' END,
        CASE WHEN to_regrole('landfall_operator') IS NULL THEN 'CREATE ROLE landfall_operator NOLOGIN; ' END,
        current_user,
        terms);
END $$;

-- FORCE binds the owner too. The sub-select is hashed once a statement; as an array, the planner would
-- take it for an index condition, and sort it anew for every row that is looked up.
DO $$
DECLARE
  held record;
BEGIN
  FOR held IN
    SELECT * FROM (VALUES
      ('tenants', 'id'),
      ('events', 'tenant_id'),
      ('records', 'tenant_id'),
      ('effects', 'tenant_id'),
      ('conflicts', 'tenant_id'),
      ('replays', 'tenant_id'),
      ('purged_records', 'tenant_id')
    ) AS t (table_name, tenant)
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', held.table_name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', held.table_name);
    EXECUTE format(
      'CREATE POLICY of_tenants ON %I TO landfall_service USING (%I IN (
         SELECT unnest(nullif(current_setting(''landfall.tenants'', true), '''')::text[])))',
      held.table_name, held.tenant);
    EXECUTE format('CREATE POLICY of_operator ON %I TO landfall_operator USING (true)', held.table_name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO landfall_operator', held.table_name);
  END LOOP;
  IF NOT has_schema_privilege('landfall_service', current_schema(), 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO landfall_service', current_schema());
  END IF;
  IF NOT has_schema_privilege('landfall_operator', current_schema(), 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO landfall_operator', current_schema());
  END IF;
  -- It is not there where Prisma replays the migrations to compare them with the schema.
  IF to_regclass('_prisma_migrations') IS NOT NULL THEN
    GRANT SELECT ON "_prisma_migrations" TO landfall_service, landfall_operator;
  END IF;
END $$;

-- What the tenants' work does, and no more: it deletes nothing.
GRANT SELECT ON "instance" TO landfall_service, landfall_operator;
GRANT SELECT, INSERT ("id"), UPDATE ("head") ON "tenants" TO landfall_service;
GRANT SELECT, INSERT ON "events", "effects" TO landfall_service;
GRANT SELECT, INSERT, UPDATE ON "records", "replays" TO landfall_service;
GRANT SELECT, INSERT, UPDATE ("resolution", "resolved_version") ON "conflicts" TO landfall_service;
GRANT SELECT ON "purged_records" TO landfall_service;

-- Counting replays locks events, for which PostgreSQL wants UPDATE of some column. The log stays as it
-- is all the same.
GRANT UPDATE ("clock_adjusted") ON "events" TO landfall_service;
CREATE POLICY append_only ON "events" AS RESTRICTIVE FOR UPDATE TO landfall_service
USING (true) WITH CHECK (false);
