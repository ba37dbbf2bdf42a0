ALTER TABLE "tenants" ADD COLUMN "log_horizon" BIGINT NOT NULL DEFAULT 0;

ALTER TABLE "events" ALTER COLUMN "payload" DROP NOT NULL;
ALTER TABLE "events" ADD COLUMN "record_before" BIGINT, ADD COLUMN "record_after" BIGINT;

-- The history of one entity, in version order.
CREATE INDEX "events_tenant_id_entity_type_entity_id_version_idx"
ON "events"("tenant_id", "entity_type", "entity_id", "version");

CREATE TABLE "effects" (
    "tenant_id" TEXT COLLATE "C" NOT NULL,
    "entity_type" TEXT COLLATE "C" NOT NULL,
    "entity_id" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "record_before" BIGINT NOT NULL,
    "record_after" BIGINT NOT NULL,

    CONSTRAINT "effects_pkey" PRIMARY KEY ("tenant_id","entity_type","entity_id","version")
);

CREATE TABLE "conflicts" (
    "tenant_id" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "entity_type" TEXT COLLATE "C" NOT NULL,
    "entity_id" TEXT COLLATE "C" NOT NULL,
    "resolution" TEXT COLLATE "C",
    "resolved_version" BIGINT,

    CONSTRAINT "conflicts_pkey" PRIMARY KEY ("tenant_id","version")
);

-- The open ones, in version order; and the conflict that an event resolved.
CREATE INDEX "conflicts_tenant_id_resolved_version_version_idx"
ON "conflicts"("tenant_id", "resolved_version", "version");

-- Conflicts that were stored before there was this table are open.
INSERT INTO "conflicts" ("tenant_id", "version", "entity_type", "entity_id")
SELECT "tenant_id", "version", "entity_type", "entity_id" FROM "events" WHERE "outcome" = 'conflict';

CREATE TABLE "replays" (
    "tenant_id" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "count" BIGINT NOT NULL,
    "last_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "replays_pkey" PRIMARY KEY ("tenant_id","version")
);

CREATE TABLE "purged_records" (
    "tenant_id" TEXT COLLATE "C" NOT NULL,
    "entity_type" TEXT COLLATE "C" NOT NULL,
    "entity_id" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "clock" JSON NOT NULL,
    "sequence" BIGINT,
    "origin_key" TEXT COLLATE "C" NOT NULL,
    "origin_kind" TEXT COLLATE "C" NOT NULL,
    "origin_device" TEXT,
    "origin_at" TIMESTAMPTZ(6) NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "purged_records_pkey" PRIMARY KEY ("tenant_id","entity_type","entity_id")
);
