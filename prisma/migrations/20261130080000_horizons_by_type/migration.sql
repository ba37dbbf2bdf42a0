-- Beside the horizon of all types: for each entity type the newest version of a tombstone that was
-- purged. A client that pulls some types only needs the tombstones of those.
ALTER TABLE "tenants" ADD COLUMN "horizons" JSONB NOT NULL DEFAULT '{}';

-- What was purged before is known by what was kept of it. Row level security binds the owner too.
SET LOCAL ROLE landfall_operator;
UPDATE "tenants" AS tenant
SET "horizons" = purged.horizons
FROM (
  SELECT "tenant_id", jsonb_object_agg("entity_type", "version") AS horizons
  FROM (
    SELECT "tenant_id", "entity_type", max("version") AS "version"
    FROM "purged_records"
    GROUP BY "tenant_id", "entity_type"
  ) AS newest
  GROUP BY "tenant_id"
) AS purged
WHERE tenant."id" = purged."tenant_id";
RESET ROLE;
