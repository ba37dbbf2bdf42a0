import type { z } from 'zod';
import { SchemaVersions } from './schema-versions.ts';

/** Starts a kind's versions. Later: `payload(v1).next(v2, (older) => …)`. */
export function payload<Payload>(schema: z.ZodType<Payload>): SchemaVersions<Payload> {
  return SchemaVersions.first(schema);
}
