-- Which version of its entity type's data a record was written in. Those that are there were written
-- before a type could have more than one.
ALTER TABLE "records" ADD COLUMN "data_version" INTEGER NOT NULL DEFAULT 1;

-- The schema of each version of a payload, and of a record's data, as this database first saw it: what was
-- shipped once may not change. It is no tenant's, and the service does not touch it in its work.
CREATE TABLE "kind_schemas" (
    "schema_of" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "version" INTEGER NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "schema" JSON NOT NULL,
    "seen_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "kind_schemas_pkey" PRIMARY KEY ("schema_of","name","version")
);

GRANT SELECT, INSERT, UPDATE ("fingerprint", "schema", "seen_at") ON "kind_schemas" TO landfall_operator;
