-- Each of these indexes answers one kind of question, and its predicate, which every row fulfils, says
-- which: whoever compares the column fulfils it too, and nobody else's look-up can take the index. All
-- indexes begin with the tenant, and on tables that are still empty they cost the planner the same:
-- prepared statements took the wrong one, read a whole tenant for each look-up, and kept to it until
-- the first autoanalyze. See docs/adr/0020.
--
-- All are built before the first is dropped: while they are, pushes wait, and pulls do not.

CREATE UNIQUE INDEX "events_new_key" ON "events"("tenant_id", "identity_key")
WHERE "identity_key" IS NOT NULL;

CREATE INDEX "events_new_idx" ON "events"("tenant_id", "entity_type", "entity_id", "version")
WHERE "entity_id" IS NOT NULL;

CREATE INDEX "records_new_idx" ON "records"("tenant_id", "version")
WHERE "version" IS NOT NULL;

DROP INDEX "events_tenant_id_identity_key_key";
ALTER INDEX "events_new_key" RENAME TO "events_tenant_id_identity_key_key";

DROP INDEX "events_tenant_id_entity_type_entity_id_version_idx";
ALTER INDEX "events_new_idx" RENAME TO "events_tenant_id_entity_type_entity_id_version_idx";

DROP INDEX "records_tenant_id_version_idx";
ALTER INDEX "records_new_idx" RENAME TO "records_tenant_id_version_idx";
