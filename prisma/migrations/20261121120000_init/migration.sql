-- Text that is compared, sorted or joined on is in the C collation whatever the database's own:
-- last-write-wins breaks ties on it, and locks are taken in its order.

CREATE TABLE "instance" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "secret" BYTEA NOT NULL,

    CONSTRAINT "instance_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "instance_one_row" CHECK ("id" = 1)
);

-- 244 random bits from the server's strong generator, without an extension.
INSERT INTO "instance" ("secret")
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE TABLE "tenants" (
    "id" TEXT COLLATE "C" NOT NULL,
    "head" BIGINT NOT NULL DEFAULT 0,
    "epoch" UUID NOT NULL DEFAULT gen_random_uuid(),
    "horizon" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenants_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "events" (
    "tenant_id" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "identity_key" TEXT COLLATE "C" NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "kind" TEXT COLLATE "C" NOT NULL,
    "kind_version" INTEGER NOT NULL,
    "entity_type" TEXT COLLATE "C" NOT NULL,
    "entity_id" TEXT COLLATE "C" NOT NULL,
    "outcome" TEXT COLLATE "C" NOT NULL,
    "device_id" TEXT,
    "subject" TEXT,
    "occurred_at" TIMESTAMPTZ(6),
    "effective_at" TIMESTAMPTZ(6) NOT NULL,
    "received_at" TIMESTAMPTZ(6) NOT NULL,
    "clock_adjusted" BOOLEAN NOT NULL,
    "base_version" BIGINT,
    "base_key" TEXT COLLATE "C",
    "sequence" BIGINT,
    "payload" JSON NOT NULL,

    CONSTRAINT "events_pkey" PRIMARY KEY ("tenant_id","version")
);

CREATE UNIQUE INDEX "events_tenant_id_identity_key_key" ON "events"("tenant_id", "identity_key");

CREATE TABLE "records" (
    "tenant_id" TEXT COLLATE "C" NOT NULL,
    "entity_type" TEXT COLLATE "C" NOT NULL,
    "entity_id" TEXT COLLATE "C" NOT NULL,
    "version" BIGINT NOT NULL,
    "deleted" BOOLEAN NOT NULL,
    "data" JSON,
    "clock" JSON NOT NULL,
    "sequence" BIGINT,
    "origin_key" TEXT COLLATE "C" NOT NULL,
    "origin_kind" TEXT COLLATE "C" NOT NULL,
    "origin_device" TEXT,
    "origin_at" TIMESTAMPTZ(6) NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "records_pkey" PRIMARY KEY ("tenant_id","entity_type","entity_id")
);

CREATE INDEX "records_tenant_id_version_idx" ON "records"("tenant_id", "version");
