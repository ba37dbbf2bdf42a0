import type { KindRegistry } from '../domain/kinds/registry.ts';
import { describeDifferences, listSchemas } from '../domain/kinds/shipped-schemas.ts';
import type { ChangedSchema, KindSchemaStore } from '../postgres/kind-schemas/kind-schema-store.ts';
import { StartError } from '../config/start-error.ts';

export interface ChangedKindsRules {
  readonly changedKinds: 'refuse' | 'warn';
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Compares the schemas of the kinds with those that the database has stored, and stores new ones. The schema
 * of a shipped version must not change: a device can send an event a year after it was written, and records
 * stay in the version in which they were written.
 *
 * @throws StartError if a shipped schema was changed in place and `changedKinds` is `refuse`
 */
export async function checkShippedSchemas(
  kinds: KindRegistry,
  store: KindSchemaStore,
  { changedKinds, log }: ChangedKindsRules,
): Promise<void> {
  await store.keep(listSchemas(kinds), (changed) => {
    if (changedKinds === 'refuse') throw new StartError(describeRefusal(changed));
    for (const schema of changed) {
      const { schemaOf, name, version } = schema.after;
      const fields = { schemaOf, name, version, differences: differencesOf(schema) };
      log.warn({ event: 'kind.changed', ...fields }, 'a shipped schema was changed in place');
    }
  });
}

function describeRefusal(changed: readonly ChangedSchema[]): string {
  const [first] = changed;
  if (!first) throw new Error('no schema was changed');
  const { schemaOf, name, version } = first.after;
  const subject = schemaOf === 'payload' ? name : `the data of ${name}`;
  const others = changed.length > 1 ? `, and ${changed.length - 1} more of the kinds' schemas` : '';
  return (
    `KINDS: version ${version} of ${subject} was changed in place${others} (${differencesOf(first)}): ` +
    'put its schema back and add a version by .next, or accept the change by one start with CHANGED_KINDS=warn'
  );
}

function differencesOf({ before, after }: ChangedSchema): string {
  return describeDifferences(JSON.parse(before.schema), JSON.parse(after.schema));
}
